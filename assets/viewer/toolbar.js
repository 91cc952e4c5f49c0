// What stands over the map: scale and layer buttons, tools, zoom, and what is missing or wrong.

import { flag, h } from './dom.js';
import { count, plural } from './format.js';
import { imageTokensOf, lookedAt } from './geometry.js';
import { LAYERS } from './keys.js';
import { L } from './leaflet.js';
import { get, on, set } from './store.js';
import { element as svg } from './svg.js';
import { pin } from './sides.js';

/**
 * @typedef {import('./store.js').State} State
 * @typedef {import('./viewer.js').View} View
 * @typedef {{value: string | number, label: string, tip: string}} Choice
 */

const WHOLE_IMAGE = 'M2.5 2.5h11v11h-11zM5.5 5.5h5v5h-5z';
const FULL_SCREEN = 'M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4';

/**
 * @param {HTMLElement} root
 * @param {HTMLElement} host
 * @param {View} view
 */
export function toolbar(root, host, view) {
  host.append(emptyNote());
  for (const part of [tools(), zoomButtons(root, view)]) {
    L.DomEvent.disableClickPropagation(part);
    host.append(part);
  }
  host.append(notice());
  on(['image'], ({ image }) => root.classList.toggle('no-objects', !image?.objects.length));
}

function tools() {
  return h(
    'div',
    { class: 'uhr-tools' },
    segmented('Layer', 'layer', () =>
      Object.entries(LAYERS).map(([value, { label, tip }]) => ({ value, label, tip })),
    ),
    h(
      'div',
      { class: 'uhr-segment' },
      toggle('Box', 'Draw a box around an object to see what became of its tokens (key b)', 'drawing'),
      swipeButton(),
      toggle('Objects', 'Show the known objects of this example (key o)', 'showObjects', 'uhr-has-objects'),
    ),
    scales(),
  );
}

/** The scales: the model gets tokens of all of them, and the viewer shows one. */
function scales() {
  const group = segmented('Scale, in pixels', 'scale', ({ model, image }) =>
    model.scales.map((size, i) => ({
      value: size,
      label: String(size),
      tip: scaleTip(model, image, size, i + 1),
    })),
  );
  const title = 'The model is given tokens of all these sizes of the image; the viewer shows those of one';
  return h('div', { class: 'uhr-scales', title }, h('span', {}, 'scale, px'), group);
}

/**
 * @param {import('./types.d.ts').Geometry} model
 * @param {import('./types.d.ts').ImageValue | null} image
 * @param {number} size
 * @param {number} key
 */
function scaleTip(model, image, size, key) {
  const tokens = count(imageTokensOf(model, image, size));
  const looked = lookedAt(model, size);
  if (!looked) return `The image resized to ${size} px: ${tokens} tokens (key ${key})`;
  return `A native scale, ${size} px: ${plural(looked.length, 'tile')} looked at, ${tokens} tokens (key ${key})`;
}

/** Keeps what is shown on the right of a divider, beside what is shown next. */
function swipeButton() {
  const button = h(
    'button',
    {
      type: 'button',
      title:
        'Keep what is shown now on the right of a divider; budget, scoring or question then change on the left (key d)',
      'data-tool': 'swipe',
      onclick: pin,
    },
    'Swipe',
  );
  on(['pinned', 'tokens'], ({ pinned, tokens }) => {
    flag(button, 'aria-pressed', pinned != null);
    button.disabled = !tokens && !pinned;
  });
  return button;
}

/**
 * @param {HTMLElement} root
 * @param {View} view
 */
function zoomButtons(root, view) {
  const fullScreen = () =>
    document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen();
  return h(
    'div',
    { class: 'uhr-zoom' },
    button('+', 'Zoom in', () => view.map.zoomIn()),
    button('−', 'Zoom out', () => view.map.zoomOut()),
    button(icon(WHOLE_IMAGE), 'Whole image (key 0)', () => view.fit()),
    button(icon(FULL_SCREEN), 'Full screen', fullScreen),
  );
}

/** What stands in the viewer while there is no image. */
function emptyNote() {
  const empty = h('div', { class: 'uhr-empty' });
  on(['image', 'progress'], ({ image, progress }) => {
    empty.hidden = Boolean(image);
    empty.textContent =
      progress?.state === 'running' ? `${progress.text} …` : 'Choose an example, or upload an image.';
  });
  return empty;
}

/** What is wrong, said over the map. It is in the page from the start, so that screen readers announce its text. */
function notice() {
  const element = h('p', { class: 'uhr-notice', role: 'status' });
  on(['notice'], (state) => {
    element.textContent = state.notice;
  });
  return element;
}

/**
 * @param {string | Node} content
 * @param {string} label
 * @param {() => void} onclick
 */
const button = (content, label, onclick) =>
  h('button', { type: 'button', title: label, 'aria-label': label, onclick }, content);

/** @param {string} path */
const icon = (path) => svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: path }));

/**
 * A row of buttons of which one is on: the state's `key`.
 * @param {string} label
 * @param {'scale' | 'layer'} key
 * @param {(state: Readonly<State>) => Choice[]} choicesOf
 */
function segmented(label, key, choicesOf) {
  const group = h('div', { class: 'uhr-segment', role: 'group', 'aria-label': label });
  /** @param {Readonly<State>} state */
  function press(state) {
    for (const each of group.querySelectorAll('button')) {
      flag(each, 'aria-pressed', each.dataset.value === String(state[key]));
    }
  }
  on(['model', 'image'], (state) => {
    group.replaceChildren(
      ...choicesOf(state).map(({ value, label: text, tip }) =>
        h(
          'button',
          { type: 'button', title: tip, 'data-value': value, onclick: () => set({ [key]: value }) },
          text,
        ),
      ),
    );
    press(state);
  });
  on([key], press);
  return group;
}

/**
 * A button that is on or off: the state's `key`.
 * @param {string} text
 * @param {string} tip
 * @param {'drawing' | 'showObjects'} key
 * @param {string} [className]
 */
function toggle(text, tip, key, className = '') {
  const onclick = () => set({ [key]: !get()[key] });
  const element = h(
    'button',
    { type: 'button', title: tip, class: className, 'data-tool': key, onclick },
    text,
  );
  on([key], (state) => flag(element, 'aria-pressed', state[key]));
  return element;
}
