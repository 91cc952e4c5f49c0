// Restores what a link or a miss asks of the viewer, each part once what it needs is there.

import { arrival } from './address.js';
import { hooks } from './hooks.js';
import { get, on, set } from './store.js';

const ANSWERED = 60; // milliseconds
const NOTHING = arrival({});
let arriving = NOTHING;

/**
 * Layer and scale at once, then place, box and answer.
 * @param {Record<string, string | null | undefined>} parameters Of a share link.
 */
export function arrive(parameters) {
  arriving = arrival(parameters);
  const { layer, scale } = arriving;
  if (layer) set({ layer });
  if (scale && get().model.scales.includes(scale)) set({ scale });
}

export function followArrival() {
  on(['image'], (state) => {
    const view = isHere(state) && take('view');
    if (view) requestAnimationFrame(() => hooks.view?.goWhere(view));
  });
  on(['image', 'question', 'busy'], (state) => {
    if (state.busy || !isHere(state) || state.question !== arriving.question) return;
    // An example that is answered already sends its answer right after itself.
    if (take('ask')) setTimeout(() => get().answer?.question === state.question || hooks.ask(), ANSWERED);
  });
  on(['maps'], (state) => {
    const box = state.maps && isHere(state) && take('box');
    if (box) set({ askBox: box });
  });
}

/** Whether something that was asked for is still to come. @param {Readonly<import('./store.js').State>} state */
export const isArriving = (state) => isHere(state) && Boolean(arriving.view || arriving.box || arriving.ask);

/** Whether the image is the one to arrive at. @param {Readonly<import('./store.js').State>} state */
const isHere = ({ image }) => image != null && image.example === arriving.example;

/**
 * A part of what is to be restored, once.
 * @template {'view' | 'box' | 'ask'} Key
 * @param {Key} key
 */
function take(key) {
  const value = arriving[key];
  arriving = { ...arriving, [key]: NOTHING[key] };
  return value;
}
