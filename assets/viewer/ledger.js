// The ledger: where every scale's tokens went at the slider's budget.

import { budgets } from './budgets.js';
import { h } from './dom.js';
import { count, plural } from './format.js';
import { imageTokensOf, lookedAt, tokensOf, tokensOfAll, tokensOfImage } from './geometry.js';
import { tableHead, width } from './parts.js';
import { onFrame } from './store.js';

/** @typedef {ReturnType<import('./tokens.js').ScaleTokens['ledger']>} Row */

/** @type {import('./parts.js').Heading[]} */
const HEADINGS = [
  ['scale', 'Side of the resized image, in pixels'],
  ['share', 'How the tokens of this scale are divided among the kinds that follow'],
  ['budget', 'Tokens of this scale that may be passed to the model'],
  ['preserved', 'Passed to the model unchanged'],
  ['merged', 'Averaged with similar tokens, and into how many averages'],
  ['regions', 'Regions with at least one token in the budget'],
  ['dropped', 'Not passed to the model at all'],
];
/** @type {import('./parts.js').Heading} */
const PADDING = ['padding', 'Tokens beside the image, which show nothing of it; they count nowhere else'];

const TITLE = 'Where the tokens went';
const ROOM = 860; // screen pixels a window is high where the ledger is open from the start

export function ledger() {
  const body = h('tbody');
  const table = h('table', { class: 'uhr-ledger', 'aria-label': 'Token ledger' });
  onFrame(['tokens', 'budget', 'ready', 'model', 'image'], ({ tokens, model, image }) => {
    table.classList.toggle('is-empty', !tokens);
    const each = budgets();
    const padded = tokensOfImage(model, image) < tokensOfAll(model);
    body.replaceChildren(
      ...model.scales.map((size, i) => {
        const own = tokens?.get(size);
        const known = { row: own?.ledger(each[i]), regions: own?.regionsReached(each[i]) };
        return scaleRow(model, image, size, each[i], known);
      }),
    );
    table.replaceChildren(tableHead(padded ? [...HEADINGS, PADDING] : HEADINGS), body);
  });
  const fold = h(
    'details',
    { class: 'uhr-fold', open: window.innerHeight >= ROOM },
    h('summary', {}, TITLE),
    table,
  );
  return fold;
}

/**
 * @param {import('./types.d.ts').Geometry} model
 * @param {import('./types.d.ts').ImageValue | null} image
 * @param {number} size
 * @param {number} budget
 * @param {{row?: Row, regions?: number | null}} known Nothing until the tokens are loaded.
 */
function scaleRow(model, image, size, budget, { row, regions }) {
  const { preserved, merged, dropped, averages = 0 } = row ?? {};
  const all = tokensOf(model, size);
  const own = imageTokensOf(model, image, size);
  const looked = lookedAt(model, size);
  const tiles = looked
    ? ` of ${plural(looked.length, 'tile')} looked at, of ${count((size / model.tile) ** 2)}`
    : '';
  const tokens = `${count(own)} tokens${tiles}`;
  return h(
    'tr',
    {
      'data-scale': size,
      'data-preserved': preserved,
      'data-merged': merged,
      'data-dropped': dropped,
      'data-padding': row?.padding,
    },
    h(
      'th',
      { scope: 'row', title: tokens },
      String(size),
      looked && h('small', {}, `${plural(looked.length, 'look')}`),
    ),
    h('td', { class: 'uhr-barcell' }, bar(row, all)),
    h('td', { title: row ? `${count(row.used)} used, of ${tokens}` : tokens }, count(budget)),
    h('td', {}, number(preserved)),
    h('td', {}, number(merged), merged ? h('small', {}, ` in ${count(averages)}`) : null),
    h('td', {}, number(regions)),
    h('td', {}, number(dropped)),
    own < all && h('td', { class: 'uhr-padded' }, count(all - own)),
  );
}

/** @param {number | null | undefined} value */
const number = (value) => (value == null ? '–' : count(value));

/**
 * A thin stacked bar: preserved, merged, the rest, and padding, hatched, at the end.
 * @param {Row | undefined} row
 * @param {number} all
 */
function bar(row, all) {
  /** @param {import('./types.d.ts').Kind} kind */
  const part = (kind) => {
    const n = row?.[kind] ?? 0;
    return h('i', { class: `is-${kind}`, style: width(n / all), title: `${count(n)} ${kind}` });
  };
  const kinds = /** @type {const} */ (['preserved', 'merged', 'dropped', 'padding']);
  return h('div', { class: 'uhr-bar' }, row ? kinds.map(part) : []);
}
