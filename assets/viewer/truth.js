// What is known to be true of an example.

import { cellsOf } from './places.js';

/**
 * The known question that a text asks: its answer and evidence; null where nothing is known.
 * @param {Pick<import('./types.d.ts').ImageValue, 'questions'> | null} image
 * @param {string} text
 */
export function truthOf(image, text) {
  /** @param {string} words */
  const plain = (words) => words.trim().toLowerCase();
  return image?.questions.find((known) => plain(known.text) === plain(text)) ?? null;
}

/**
 * How many of some objects have a preserved token at some scale.
 * @param {Pick<import('./types.d.ts').KnownObject, 'box'>[]} objects
 * @param {Pick<import('./places.js').Placed, 'side' | 'offset'>} image
 * @param {Iterable<import('./tokens.js').ScaleTokens>} scales
 * @param {ArrayLike<number>} budgets One a scale.
 */
export function countPreserved(objects, image, scales, budgets) {
  const all = [...scales];
  return objects.filter(({ box }) =>
    all.some((tokens, i) => tokens.inRectangle(cellsOf(box, image, tokens.grid), budgets[i]).preserved > 0),
  ).length;
}
