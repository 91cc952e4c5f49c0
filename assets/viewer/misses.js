// The gallery of misses on the Findings page.

import { h } from './dom.js';
import { count, pixels } from './format.js';
import { note } from './parts.js';
import { CAUSES } from './verdict.js';

/**
 * @typedef {import('./types.d.ts').Miss} Miss
 * @typedef {{cause: string, budget: string, importance: string}} Choice What is looked at; '' for all.
 */

const AT_ONCE = 12;

/** A cause as the page says it. @param {string} cause */
export const causeName = (cause) => CAUSES[cause] ?? cause;

/**
 * Cards of all misses of the loss tests, by cause, budget and importance.
 * @param {Miss[]} all
 * @param {number} wide The widest budget.
 * @param {(miss: Miss) => void} open Shows one in the viewer.
 */
export function misses(all, wide, open) {
  /** @type {Choice} */
  const chosen = { cause: '', budget: '', importance: '' };
  let most = AT_ONCE;
  const cards = h('div', { class: 'uhr-misses' });
  const total = h('p', { class: 'uhr-note', role: 'status' });
  const more = h('button', { type: 'button', class: 'uhr-small', onclick: showMore }, 'Show more');

  function showMore() {
    most += AT_ONCE;
    draw();
  }
  /**
   * @param {keyof Choice} key
   * @param {string} value
   */
  function choose(key, value) {
    chosen[key] = value;
    most = AT_ONCE;
    draw();
  }
  function draw() {
    const found = fitting(all, chosen);
    cards.replaceChildren(...found.slice(0, most).map((miss) => card(miss, wide, open)));
    total.textContent = found.length
      ? `${count(Math.min(most, found.length))} of ${count(found.length)}`
      : 'None.';
    more.hidden = found.length <= most;
  }
  draw();
  return h(
    'section',
    {},
    h('h3', {}, 'Browse all misses'),
    h(
      'div',
      { class: 'uhr-choices' },
      choice(
        'causes',
        all.map((miss) => [miss.cause, causeName(miss.cause)]),
        (value) => choose('cause', value),
      ),
      choice(
        'budgets',
        all.map(({ budget }) => [String(budget), `${count(budget)} tokens`]),
        (value) => choose('budget', value),
      ),
      choice(
        'scorings',
        all.map(({ method }) => [method.importance, method.importance]),
        (value) => choose('importance', value),
      ),
      total,
    ),
    cards,
    more,
  );
}

/**
 * The misses that a choice leaves.
 * @template {Pick<Miss, 'cause' | 'budget'> & {method: {importance: string}}} Kind
 * @param {Kind[]} all
 * @param {Choice} chosen
 */
export const fitting = (all, { cause, budget, importance }) =>
  all.filter(
    (miss) =>
      (!cause || miss.cause === cause) &&
      (!budget || String(miss.budget) === budget) &&
      (!importance || miss.method.importance === importance),
  );

/**
 * @param {string} label
 * @param {[value: string, name: string][]} options Perhaps repeated.
 * @param {(value: string) => void} choose
 */
function choice(label, options, choose) {
  const select = h(
    'select',
    { 'aria-label': label, class: 'uhr-select', onchange: () => choose(select.value) },
    h('option', { value: '' }, `All ${label}`),
    [...new Map(options)].map(([value, name]) => h('option', { value }, name)),
  );
  return select;
}

/**
 * @param {Miss} miss
 * @param {number} wide
 * @param {(miss: Miss) => void} open
 */
function card(miss, wide, open) {
  return h(
    'article',
    { class: 'uhr-miss', 'data-scene': miss.scene },
    h('p', { class: 'uhr-missquestion' }, miss.question),
    answers(miss, wide),
    note(
      h('b', {}, causeName(miss.cause)),
      ` · ${miss.method.importance}`,
      miss.object && ` · ${miss.object}, ${pixels(miss.object_size ?? 0)}`,
      miss.without.length > 0 && ' · object removed',
    ),
    note(miss.verdict),
    h(
      'button',
      {
        type: 'button',
        class: 'uhr-small',
        'aria-label': `Open in the viewer: ${miss.question}`,
        onclick: () => open(miss),
      },
      'Open in the viewer',
    ),
  );
}

/**
 * The answers to a miss's question beside the truth.
 * @param {Miss} miss
 * @param {number} wide
 */
const answers = ({ truth, wide_answer: before, answer, budget, forced_answer: forced, proved }, wide) =>
  h(
    'dl',
    {},
    h('dt', {}, 'truth'),
    h('dd', {}, truth),
    h('dt', {}, `${count(wide)} tokens`),
    h('dd', {}, before),
    h('dt', {}, `${count(budget)} tokens`),
    h('dd', { class: 'uhr-wronganswer' }, answer || '(empty)'),
    forced != null && [
      h('dt', {}, 'object added'),
      h('dd', {}, forced, proved && h('small', {}, 'proves the cause')),
    ],
  );
