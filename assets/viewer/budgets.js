// The budget in the page's state, as a total and for each scale.

import { CONSTANTS } from './constants.js';
import { url } from './dom.js';
import { sum } from './format.js';
import { finest } from './geometry.js';
import { cumulate, splitBy } from './shares.js';
import { get, set } from './store.js';

/** @typedef {import('./types.d.ts').Geometry} Geometry */

await useModel(CONSTANTS.model);

/** Make a model's geometry the page's. @param {Geometry} model */
export async function useModel(model) {
  const response = await fetch(url(model.shares));
  if (!response.ok) throw new Error(`${response.status} ${model.shares}`);
  const shares = cumulate(new Uint8Array(await response.arrayBuffer()), model.scales.length);
  set({ model, shares, scale: model.scales.includes(get().scale) ? get().scale : finest(model) });
}

/** Tokens for each scale of a total budget. @param {number} total */
export const split = (total) => splitBy(get().shares, total);

/** Tokens for each scale; of the page's budget unless another is given. */
export const budgets = (budget = get().budget) => budget.perScale ?? split(budget.total);

/**
 * A budget, in all or for each scale.
 * @param {number} total Ignored where each scale's is given.
 * @param {number[] | null} perScale
 */
const budgetOf = (total, perScale) => ({ total: perScale ? sum(perScale) : Math.round(total), perScale });

/**
 * Show a budget; Python learns of it when the budget panel settles on it.
 * @param {number} total
 * @param {number[] | null} [perScale]
 */
export const setBudget = (total, perScale = null) => set({ budget: budgetOf(total, perScale) });

/**
 * Set a budget and settle on it, as if the slider had been moved there and released.
 * @param {number} total
 * @param {number[] | null} [perScale]
 */
export const chooseBudget = (total, perScale = null) => set({ chosen: budgetOf(total, perScale) });
