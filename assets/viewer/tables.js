// Tables of the Findings page.

import { h } from './dom.js';
import { percent } from './format.js';
import { tableHead } from './parts.js';

/** @typedef {import('./dom.js').Part | import('./dom.js').Part[]} Cell */

/**
 * A table that scrolls by itself where it is too wide.
 * @param {string} label
 * @param {import('./parts.js').Heading[]} headings
 * @param {Cell[][]} rows
 * @param {number} [words] How many columns after the first hold words, not numbers.
 */
export function table(label, headings, rows, words = 0) {
  /** @param {number} column */
  const look = (column) => (column <= words ? 'uhr-word' : null);
  const row = (/** @type {Cell[]} */ [first, ...cells]) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, ...[first]),
      cells.map((cell, i) => h('td', { class: look(i + 1) }, cell)),
    );
  return h(
    'div',
    { class: 'uhr-scroll' },
    h('table', { 'aria-label': label }, tableHead(headings, look), h('tbody', {}, rows.map(row))),
  );
}

/**
 * A share over its interval; resampling gives none where all cases are alike.
 * @param {import('./types.d.ts').Interval} share
 * @returns {import('./dom.js').Part[]}
 */
export const share = ({ value, low, high }) => [
  percent(value),
  low < high && h('small', {}, `${(100 * low).toFixed(1)} to ${percent(high)}`),
];

/**
 * The heading of a column of shares with intervals.
 * @param {string} name
 * @param {string} explanation
 * @returns {import('./parts.js').Heading}
 */
export const interval = (name, explanation) => [[name, h('small', {}, '95 % interval')], explanation];
