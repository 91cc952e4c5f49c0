// What became of an inspected box at the slider's budget.

import { count } from './format.js';

/**
 * @typedef {import('./types.d.ts').Fate} Fate
 * @typedef {import('./types.d.ts').ObjectRow} ObjectRow
 * @typedef {import('./types.d.ts').ObjectValue} ObjectValue
 * @typedef {{preserved: boolean, cause: string, verdict: string}} Verdict
 * @typedef {Pick<ObjectRow, 'tokens' | 'preserved' | 'merged' | 'members'>} Counts
 */

/**
 * The best fate of a box's tokens.
 * @param {Pick<Counts, 'preserved' | 'merged'>} counts
 * @returns {Fate}
 */
export const bestFate = ({ preserved, merged }) => (preserved ? 'preserved' : merged ? 'merged' : 'dropped');

/**
 * The verdict: the worker's own words at the budgets it was asked for; elsewhere its steps over the total, or, where
 * each scale has its own budget, only whether anything is preserved.
 * @param {Pick<ObjectValue, 'budgets' | 'cause' | 'verdict' | 'steps'>} object
 * @param {boolean} preserved Whether any token of the box is, now.
 * @param {ArrayLike<number>} budgets One a scale.
 * @param {number | null} total Null where each scale has its own budget.
 * @returns {Verdict}
 */
export function verdictAt(object, preserved, budgets, total) {
  if (object.budgets.every((budget, i) => budget === budgets[i])) {
    return { preserved, cause: object.cause, verdict: object.verdict };
  }
  if (total == null) return { preserved, cause: '', verdict: '…' };
  return object.steps.findLast((step) => step.total <= total) ?? object.steps[0];
}

const VISIBLE = 1.3; // pixels of a scale: what is smaller is not seen there (uhrbat/results.py)

/**
 * How a verdict looks: what is kept only where it is too small to be seen is not simply kept.
 * @param {boolean} preserved
 * @param {{row: Pick<ObjectRow, 'pixels'>, now: Pick<Counts, 'preserved'> | null}[]} rows
 */
export function keptLook(preserved, rows) {
  if (!preserved) return 'lost';
  const seen = rows.some(
    ({ row, now }) => now?.preserved && Math.sqrt(row.pixels[0] * row.pixels[1]) >= VISIBLE,
  );
  return seen ? 'kept' : 'barely';
}

/** Causes of a loss as the page says them. @type {Record<string, string>} */
export const CAUSES = {
  preserved: 'kept',
  'too small': 'too small',
  'importance diluted': 'scored too low',
  'averaged away': 'averaged away',
  'cut by the budget': 'budget spent',
  'the model itself': 'model error',
  'not looked at': 'not looked at',
  'smaller than a token at every scale that was looked at': 'too small even where it was looked at',
};

/** @param {Pick<Verdict, 'preserved' | 'cause'>} verdict */
export const verdictTitle = ({ preserved, cause }) =>
  preserved ? 'Kept.' : cause ? `Lost: ${CAUSES[cause] ?? cause}.` : 'Lost.';

/** How many of a box's tokens have its best fate, in words. @param {Counts} counts */
export function fateDetail(counts) {
  const fate = bestFate(counts);
  if (fate === 'preserved') return `${count(counts.preserved)} of ${count(counts.tokens)}`;
  return fate === 'merged' ? `with ${count(Math.max(0, counts.members - 1))}` : '';
}
