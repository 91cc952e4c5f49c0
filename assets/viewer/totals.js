// The budget slider's arithmetic: positions, round numbers, and what may be typed.

import { count, sum } from './format.js';
import { tokensOf } from './geometry.js';

export const [LEAST, MOST, STEPS] = [4, 16000, 1000];
export const TICKS = [4, 30, 250, 2000, 16000];

/** The total at a position of the slider, 0..STEPS; logarithmic. @param {number} position */
export const toTotal = (position) => LEAST * (MOST / LEAST) ** (position / STEPS);

/** The slider's position for a total; beyond STEPS where it is larger than the slider's end. @param {number} total */
export const toPosition = (total) =>
  (STEPS * Math.log(Math.max(total, LEAST) / LEAST)) / Math.log(MOST / LEAST);

/** A total as round as the slider is precise there. @param {number} total */
export function rounded(total) {
  const step = total < 500 ? 1 : total < 2000 ? 5 : total < 8000 ? 10 : 50;
  return Math.round(total / step) * step;
}

/** A total as written below the slider. @param {number} total */
export const tickText = (total) => (total < 1000 ? String(total) : `${total / 1000}k`);

/**
 * The total that a text names, thousands separated or not; null where it is no whole number from 1 to `most`.
 * @param {string} text
 * @param {number} most
 */
export function parseTotal(text, most) {
  const total = Number(text.replace(/[,\s]/g, ''));
  return Number.isInteger(total) && total >= 1 && total <= most ? total : null;
}

/**
 * A preset's tokens for each scale; null where a scale of the model has fewer, so that its total is split instead.
 * @param {number[]} each The paper's, one a scale.
 * @param {import('./types.d.ts').Geometry} model
 */
export const presetFor = (each, model) =>
  each.length === model.scales.length && each.every((n, i) => n <= tokensOf(model, model.scales[i]))
    ? each
    : null;

/**
 * What is wrong with a number of tokens typed for one scale, in one sentence; '' where nothing is.
 * @param {number[]} values One a scale.
 * @param {number} changed The scale whose number was typed.
 * @param {import('./types.d.ts').Geometry} model
 */
export function scaleProblem(values, changed, model) {
  const size = model.scales[changed];
  const most = tokensOf(model, size);
  if (!(values[changed] >= 0 && values[changed] <= most)) {
    return `Scale ${size} has ${count(most)} tokens: give 0 to ${count(most)}.`;
  }
  return sum(values) > 0 ? '' : 'At least one token is needed.';
}
