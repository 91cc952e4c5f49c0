// What a sweep over budgets shows, in numbers and words.

import { count, sum } from './format.js';

/** @typedef {import('./types.d.ts').SweepPoint & {total: number}} Point */

/**
 * @param {import('./types.d.ts').SweepPoint[]} points
 * @returns {Point[]}
 */
export const withTotals = (points) => points.map((point) => ({ ...point, total: sum(point.budgets) }));

/**
 * Indices of the points whose answer differs from the one before.
 * @param {Pick<Point, 'answer'>[]} points
 */
export const changes = (points) =>
  points.flatMap(({ answer }, i) => (i > 0 && answer !== points[i - 1].answer ? [i] : []));

/**
 * The answer that was measured at the largest budget up to a total; null where the sweep is of another question, or
 * none was measured so low.
 * @param {import('./types.d.ts').Sweep | null} sweep
 * @param {string} question
 * @param {number} total
 */
export function measuredAt(sweep, question, total) {
  if (!sweep || sweep.running || sweep.question.trim() !== question.trim()) return null;
  return withTotals(sweep.points).findLast((point) => point.total <= total) ?? null;
}

/**
 * How far a sweep is or, at its end, where the answer changes.
 * @param {Pick<Point, 'answer' | 'correct' | 'total'>[]} points
 * @param {number[]} wanted
 * @param {boolean} running
 */
export function summary(points, wanted, running) {
  if (running) return `${points.length} of ${wanted.length} budgets done …`;
  if (points.length < wanted.length) return `Stopped after ${points.length} of ${wanted.length} budgets.`;
  const legend = points.some((point) => point.correct != null) ? 'Filled dot: correct. Hollow: wrong. ' : '';
  const at = changes(points).map((i) => count(points[i].total));
  return at.length
    ? `${legend}The answer changes at ${at.join(', ')} tokens (dashed).`
    : `${legend}The answer is the same at every budget.`;
}
