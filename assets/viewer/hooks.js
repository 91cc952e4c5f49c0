// `window.UHRBAT`: what Gradio's `js=` events (app/page.py), the link and the browser tests may use.

import { budgets, chooseBudget, setBudget, split } from './budgets.js';
import { get, set } from './store.js';

/**
 * @typedef {object} Mark A measured moment, for the tests.
 * @property {'tiles' | 'paint'} what
 * @property {number} took Milliseconds.
 * @property {number} [at]
 * @property {string} [layer]
 * @property {number} [scale]
 * @property {number} [budget]
 */

export const hooks = {
  state: get(),
  set,
  setBudget,
  chooseBudget,
  split,
  budgets,
  /** @type {Mark[]} */
  marks: [],
  /** The map and its coordinates, once there is one. @type {import('./viewer.js').View | null} */
  view: null,
  /** Ask the question. */
  ask() {},
  /** Open what a link asks for. @type {(link: string) => void} */
  openLink() {},
  /** Answer the question shown at the budget that is set. */
  again() {},
  suggested: () => get().suggested,
  shareLink: () => /** @type {string | null} */ (null),
};

const MOST_MARKS = 5000;

/** Keep a measured moment; the older half goes when there are too many. @param {Mark} mark */
export function keepMark(mark) {
  hooks.marks.push(mark);
  if (hooks.marks.length > MOST_MARKS) hooks.marks.splice(0, MOST_MARKS / 2);
}

window.UHRBAT = hooks;
