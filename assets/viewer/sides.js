// Two settings in step: what was kept (B) beside what is shown now (A).

import { budgets } from './budgets.js';
import { url } from './dom.js';
import { plural, sum } from './format.js';
import { sameBudgets } from './shares.js';
import { get, set } from './store.js';
import { loadTokens } from './tokens.js';

/**
 * @typedef {import('./types.d.ts').Maps} Maps
 * @typedef {Map<number, import('./tokens.js').ScaleTokens>} Tokens
 * @typedef {object} Side What one side of the divider shows.
 * @property {Maps} maps
 * @property {Tokens} tokens
 * @property {number[]} budgets One a scale.
 * @property {string} answer
 */

/** What is shown now; null where no question is. @returns {Side | null} */
export function present() {
  const { maps, tokens, answer } = get();
  if (!maps || !tokens) return null;
  const fits = answer && answer.question === maps.question && sameBudgets(answer.budgets, budgets());
  return { maps, tokens, budgets: budgets(), answer: fits ? answer.text : '' };
}

/**
 * A side's budget of one scale; 0 where the question has no such scale.
 * @param {Pick<Side, 'maps' | 'budgets'>} side
 * @param {number} scale
 */
export const budgetAt = ({ maps, budgets: each }, scale) =>
  each[maps.scales.findIndex(({ size }) => size === scale)] ?? 0;

/** Keep what is shown now on the right, or end that. */
export function pin() {
  set(get().pinned ? { pinned: null, difference: false } : { pinned: present(), divider: 0.5 });
}

/** Put an answer of the history on the right. @param {import('./types.d.ts').PastEntry} entry */
export async function pinPast({ maps: id, budgets: each, text }) {
  const { maps, image } = get();
  if (!maps || !image) return;
  try {
    const other = id === maps.id ? maps : await mapsOf(id);
    const tokens = id === maps.id ? get().tokens : await loadTokens(other, image);
    if (tokens && get().image?.id === image.id) {
      set({ pinned: { maps: other, tokens, budgets: each, answer: text }, divider: 0.5 });
    }
  } catch {
    set({ notice: 'That answer is not kept any more: ask the question again.' });
  }
}

/** @param {string} id @returns {Promise<Maps>} */
async function mapsOf(id) {
  const reply = await fetch(url(`run/${id}/maps.json`));
  if (!reply.ok) throw new Error(`${reply.status} ${id}`);
  return reply.json();
}

/**
 * What the two sides differ in, in a few words for each, after their tokens.
 * @param {Side} a
 * @param {Side} b
 */
export function labels(a, b) {
  const [first, second] = [a, b].map(({ maps, budgets: each, answer }) => [
    plural(sum(each), 'token'),
    maps.importance,
    `“${maps.question}”`,
    answer && `answer: ${answer}`,
  ]);
  const differ = first.map((words, i) => i === 0 || words !== second[i]);
  return [first, second].map((all) => all.filter((words, i) => words && differ[i]).join(' · '));
}
