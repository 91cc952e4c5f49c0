// Whether an answer still belongs to what is set, and whether the next one would come at once.

import { readSeconds } from './cost.js';
import { sum } from './format.js';
import { sameBudgets } from './shares.js';

/** @typedef {import('./types.d.ts').Answer} Answer */

export const STALE = 'press Ask to update';
const OTHER_QUESTION = 'answers the previous question';
const QUICK = 0.7; // seconds: below this the answer follows when the slider is released

/**
 * Why an answer no longer belongs to what is set; '' while it does.
 * @param {Pick<Answer, 'question' | 'budgets'>} answer
 * @param {string} question
 * @param {ArrayLike<number>} budgets
 */
export function staleness(answer, question, budgets) {
  if (answer.question.trim() !== question.trim()) return OTHER_QUESTION;
  return sameBudgets(answer.budgets, budgets) ? '' : STALE;
}

/**
 * Whether an answer is expected at once, from the speed last measured.
 * @param {Pick<Answer, 'decode_seconds'>} answer
 * @param {Pick<import('./types.d.ts').Cost, 'tokens_per_second' | 'overhead_seconds'> | null} cost
 * @param {number[]} budgets
 */
export function isQuick(answer, cost, budgets) {
  const takes = readSeconds(cost, sum(budgets));
  return takes != null && takes + answer.decode_seconds < QUICK;
}
