// Small parts that several panels draw.

import { h } from './dom.js';

/** @typedef {import('./dom.js').Part} Part */
/** @typedef {[text: Part | Part[], explanation?: string]} Heading */

/**
 * A table's head; `className(i)` of each cell.
 * @param {Heading[]} headings
 * @param {(column: number) => string | null} [className]
 */
export const tableHead = (headings, className = () => null) =>
  h(
    'thead',
    {},
    h(
      'tr',
      {},
      headings.map(([text, title], i) => h('th', { scope: 'col', title, class: className(i) }, text)),
    ),
  );

/** A tick or a cross; nothing where it is not known. @param {boolean | null} correct */
export const tick = (correct) =>
  correct != null &&
  h(
    'span',
    { class: `uhr-tick ${correct ? 'right' : 'wrong'}`, 'aria-label': correct ? 'correct' : 'wrong' },
    correct ? '✓' : '✗',
  );

/** Words where something is still to come. @param {string} text */
export const placeholder = (text) => h('p', { class: 'uhr-placeholder' }, text);

/** @param {...(Part | Part[])} parts */
export const note = (...parts) => h('p', { class: 'uhr-note' }, ...parts);

/** @param {string} text */
export const failure = (text) => h('p', { class: 'uhr-error', role: 'alert' }, text);

/** A length of a bar, 0..1. @param {number} share */
export const width = (share) => `width:${100 * share}%`;
