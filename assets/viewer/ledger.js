// The ledger: where every scale's tokens went at the slider's budget.

import { budgets } from './budgets.js';
import { FATE } from './colors.js';
import { h } from './dom.js';
import { count } from './format.js';
import { tokensOf } from './geometry.js';
import { tableHead, width } from './parts.js';
import { onFrame } from './store.js';

/** @typedef {ReturnType<import('./tokens.js').ScaleTokens['ledger']>} Row */

/** @type {import('./parts.js').Heading[]} */
const HEADINGS = [
  ['scale', 'Side of the resized scene, in pixels'],
  ['', ''],
  ['budget', 'Tokens this scale may hand to the language model'],
  ['preserved', 'Tokens handed over as they are'],
  ['merged', 'Tokens that are part of an average, and how many averages'],
  ['regions', 'Regions with at least one token in the budget'],
  ['dropped', 'Tokens that nothing represents'],
];

export function ledger() {
  const body = h('tbody');
  const table = h('table', { class: 'uhr-ledger', 'aria-label': 'Token ledger' }, tableHead(HEADINGS), body);
  onFrame(['tokens', 'budget', 'ready', 'model'], ({ tokens, model }) => {
    table.classList.toggle('is-empty', !tokens);
    const each = budgets();
    body.replaceChildren(
      ...model.scales.map((size, i) => {
        const own = tokens?.get(size);
        const all = tokensOf(model, size);
        return scaleRow(size, all, each[i], own?.ledger(each[i]), own?.regionsReached(each[i]));
      }),
    );
  });
  return table;
}

/**
 * @param {number} size
 * @param {number} all The scale's tokens.
 * @param {number} budget
 * @param {Row | undefined} row Undefined until the tokens are loaded; so is
 * @param {number | null | undefined} regions
 */
function scaleRow(size, all, budget, row, regions) {
  const { preserved, merged, dropped, averages = 0, used = 0 } = row ?? {};
  return h(
    'tr',
    { 'data-scale': size, 'data-preserved': preserved, 'data-merged': merged, 'data-dropped': dropped },
    h('th', { scope: 'row', title: `${count(all)} tokens` }, String(size)),
    h('td', { class: 'uhr-barcell' }, bar(row, all)),
    h('td', { title: `${count(used)} used, of ${count(all)} tokens` }, count(budget)),
    h('td', {}, number(preserved)),
    h('td', {}, number(merged), merged ? h('small', {}, ` in ${count(averages)}`) : null),
    h('td', {}, number(regions)),
    h('td', {}, number(dropped)),
  );
}

/** @param {number | null | undefined} value */
const number = (value) => (value == null ? '–' : count(value));

/**
 * A thin stacked bar: preserved, merged, and the rest.
 * @param {Row | undefined} row
 * @param {number} all
 */
function bar(row, all) {
  /** @param {'preserved' | 'merged'} fate */
  const part = (fate) => {
    const n = row?.[fate] ?? 0;
    return h('i', { style: `${width(n / all)};background:${FATE[fate]}`, title: `${count(n)} ${fate}` });
  };
  return h('div', { class: 'uhr-bar' }, row ? [part('preserved'), part('merged')] : []);
}
