// The strip under the map: what the colours mean and how strong they are.

import { HEAT_CSS } from './colors.js';
import { h } from './dom.js';
import { percent } from './format.js';
import { coarsest, tokensOf } from './geometry.js';
import { rangeOf, spread } from './heat.js';
import { on, set } from './store.js';

export function legend() {
  const meaning = h('span', { class: 'uhr-meaning' });
  on(['layer', 'tokens', 'scale', 'maps', 'heatBy', 'ready', 'image'], (state) =>
    meaning.replaceChildren(...meaningOf(state)),
  );
  return h('div', { class: 'uhr-strip' }, meaning, opacity(), outlines());
}

/**
 * @param {Readonly<import('./store.js').State>} state
 * @returns {(string | Node)[]}
 */
function meaningOf(state) {
  const { layer, tokens, scale, maps } = state;
  if (layer === 'image') return [];
  if (!tokens) return [maps ? 'Loading token maps …' : 'Ask a question to see which tokens survive'];
  const own = tokens.get(scale);
  if (!own || !maps) return [];
  const unlooked = own.unlooked ? [key('is-unlooked', 'not looked at')] : [];
  const padded = own.padding > 0 && layer === 'fate' ? [key('is-padding', 'padding')] : [];
  if (layer === 'seen') {
    return [
      key('is-outlined', 'preserved'),
      key('is-blurred', 'merged: its average'),
      key('is-dropped', 'dropped'),
      ...unlooked,
    ];
  }
  if (layer === 'fate') {
    const merged = [key('is-merged is-faint', 'merged with few'), key('is-merged', 'with many')];
    return [key('is-outlined', 'preserved'), ...merged, key('is-dropped', 'dropped'), ...padded, ...unlooked];
  }
  if (layer === 'regions') return ['Each colour patch is one region', ...unlooked];
  return [...heatMeaning(state, own, maps.importance), ...unlooked];
}

/**
 * @param {Readonly<import('./store.js').State>} state
 * @param {import('./tokens.js').ScaleTokens} own
 * @param {import('./types.d.ts').Importance} kind
 */
function heatMeaning({ model, heatBy }, own, kind) {
  const range = rangeOf(kind, tokensOf(model, coarsest(model)));
  const ends =
    heatBy === 'rank' ? ['0 %', '100 %'] : [range.low, range.high].map((end) => String(+end.toPrecision(2)));
  const all = own.heat(range, heatBy);
  const { bins, floor } = all ? spread(all, own.outside) : { bins: [], floor: 0 };
  const ramp = h('i', { class: 'uhr-ramp', style: `background:${HEAT_CSS}` });
  return [
    ends[0],
    h('span', { class: 'uhr-heat' }, histogram(bins), ramp),
    ends[1],
    all ? `${percent(floor)} at the floor (clear)` : '',
    byRank(heatBy),
    own.source.scored ? '' : h('em', {}, `enlarged from ${coarsest(model)}`),
  ];
}

/** How many tokens stand where above the floor, on a logarithmic scale. @param {ArrayLike<number>} bins */
function histogram(bins) {
  const most = Math.log1p(Math.max(1, ...Array.from(bins)));
  const bars = Array.from(bins, (n) => h('i', { style: `height:${(100 * Math.log1p(n)) / most}%` }));
  return h('span', { class: 'uhr-histogram', 'aria-hidden': 'true' }, bars);
}

/** @param {import('./heat.js').HeatBy} by */
function byRank(by) {
  const title = 'Show the share of the tokens that each outscores, instead of the importance itself';
  const onclick = () => set({ heatBy: by === 'rank' ? 'value' : 'rank' });
  const button = h('button', { type: 'button', class: 'uhr-chip', title, onclick }, 'by rank');
  button.setAttribute('aria-pressed', String(by === 'rank'));
  return button;
}

/**
 * @param {string} look
 * @param {string} text
 */
const key = (look, text) => h('span', { class: 'uhr-key' }, h('i', { class: look }), text);

function opacity() {
  const slider = h('input', {
    type: 'range',
    min: 0.1,
    max: 1,
    step: 0.05,
    'aria-label': 'Layer opacity',
    oninput: () => set({ opacity: +slider.value }),
  });
  const label = h(
    'label',
    { class: 'uhr-opacity', title: 'How strongly the layer covers the image' },
    h('span', {}, 'opacity'),
    slider,
  );
  on(['opacity', 'layer'], (state) => {
    slider.value = String(state.opacity);
    label.hidden = state.layer === 'seen' || state.layer === 'image';
  });
  return label;
}

function outlines() {
  const box = h('input', { type: 'checkbox', onchange: () => set({ outlines: box.checked }) });
  on(['outlines'], (state) => {
    box.checked = state.outlines;
  });
  return h('label', { class: 'uhr-outline', title: 'Draw the borders of the regions' }, box, 'outlines');
}
