// The strip under the map: what the colours mean and how strong they are.

import { FATE, HEAT_CSS } from './colors.js';
import { h } from './dom.js';
import { coarsest } from './geometry.js';
import { on, set } from './store.js';

/** @typedef {import('./types.d.ts').Fate} Fate */

/** @type {Fate[]} */
const FATES = ['preserved', 'merged', 'dropped'];

export function legend() {
  const meaning = h('span', { class: 'uhr-meaning' });
  on(['layer', 'tokens', 'scale', 'maps'], (state) => meaning.replaceChildren(...meaningOf(state)));
  return h('div', { class: 'uhr-strip' }, meaning, opacity(), outlines());
}

/**
 * @param {Readonly<import('./store.js').State>} state
 * @returns {(string | Node)[]}
 */
function meaningOf({ layer, tokens, scale, maps, model }) {
  if (layer === 'image') return [];
  if (!tokens) return [maps ? 'loading the token maps …' : 'ask a question to see its tokens'];
  if (layer === 'fate') return FATES.map(swatch);
  if (layer === 'regions') return ['Each colour patch is one region'];
  const own = tokens.get(scale);
  if (!own) return [];
  const [low, high] = own.source.stretch.map((value) => value.toFixed(2));
  const ramp = h('i', { class: 'uhr-ramp', style: `background:${HEAT_CSS}` });
  return [low, ramp, high, own.source.scored ? '' : h('em', {}, `enlarged from ${coarsest(model)}`)];
}

/** @param {Fate} fate */
const swatch = (fate) => h('span', { class: 'uhr-key' }, h('i', { style: `background:${FATE[fate]}` }), fate);

function opacity() {
  const slider = h('input', {
    type: 'range',
    min: 0.1,
    max: 1,
    step: 0.05,
    'aria-label': 'Layer opacity',
    oninput: () => set({ opacity: +slider.value }),
  });
  on(['opacity'], (state) => {
    slider.value = String(state.opacity);
  });
  return h(
    'label',
    { class: 'uhr-opacity', title: 'How strongly the layer covers the image' },
    h('span', {}, 'opacity'),
    slider,
  );
}

function outlines() {
  const box = h('input', { type: 'checkbox', onchange: () => set({ outlines: box.checked }) });
  on(['outlines'], (state) => {
    box.checked = state.outlines;
  });
  return h('label', { class: 'uhr-outline', title: 'Draw the borders of the regions' }, box, 'outlines');
}
