// The history, in the Run tab: what was asked and answered on this page; a click shows an answer again, or puts it beside the present one.

import { h, shown } from './dom.js';
import { count, plural, seconds, sum } from './format.js';
import { begin, follow, panel } from './gradio.js';
import { tick } from './parts.js';
import { get, on, set } from './store.js';
import { pinPast } from './sides.js';

/**
 * @typedef {import('./types.d.ts').Past} Past
 * @typedef {import('./types.d.ts').PastEntry} PastEntry
 */

const COLUMNS = [
  'image',
  'question',
  'tokens allowed',
  'looks',
  'tokens given',
  'answer',
  'correct',
  'model',
  'method',
  'seconds',
];

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const root = panel(context);
  follow(context, (/** @type {Past | null} */ value) => set({ past: value?.entries ?? [] }));
  on(['past', 'answer', 'maps', 'busy'], ({ past }) =>
    root.replaceChildren(
      ...shown(
        past.length
          ? [
              h('h3', {}, 'Asked on this page'),
              h(
                'ol',
                { class: 'uhr-past', reversed: true },
                [...past].reverse().map((entry) => row(entry, context.trigger)),
              ),
              exportButton(),
            ]
          : [],
      ),
    ),
  );
}

/**
 * @param {PastEntry} entry
 * @param {import('./types.d.ts').Trigger} trigger
 */
function row(entry, trigger) {
  const { maps, image, answer, busy } = get();
  const current = maps?.id === entry.maps && answer?.budgets.join() === entry.budgets.join();
  const beside = image && maps && entry.maps && !current && entry.picture === image.id;
  return h(
    'li',
    { class: current ? 'is-current' : '', 'data-past': entry.id },
    h(
      'button',
      {
        type: 'button',
        class: 'uhr-pastanswer',
        disabled: busy,
        title: 'Show this answer again',
        onclick: () => begin(trigger, 'back', { id: entry.id }),
      },
      h('span', {}, entry.question),
      h('b', {}, tick(entry.correct), entry.text || '(empty)'),
      h('small', {}, detail(entry)),
    ),
    beside &&
      h(
        'button',
        {
          type: 'button',
          class: 'uhr-link',
          title: 'Show its tokens to the right of the present ones',
          onclick: () => void pinPast(entry),
        },
        'beside',
      ),
  );
}

/** @param {PastEntry} entry */
const detail = ({ image, budgets, looks, method, model, seconds: took }) =>
  [
    image,
    plural(sum(budgets), 'token'),
    looks > 0 && plural(looks, 'look'),
    methodText(method),
    model,
    seconds(took),
  ]
    .filter(Boolean)
    .join(' · ');

/** What was chosen of the method, in words. @param {Record<string, string | number>} method */
export const methodText = (method) =>
  Object.entries(method)
    .map(([name, value]) => (name === 'seed' ? `seed ${value}` : String(value)))
    .join(', ');

function exportButton() {
  function onclick() {
    const link = h('a', {
      href: URL.createObjectURL(new Blob([csv(get().past)], { type: 'text/csv' })),
      download: 'uhrbat-history.csv',
    });
    link.click();
    URL.revokeObjectURL(link.href);
  }
  return h(
    'div',
    { class: 'uhr-chips' },
    h(
      'button',
      { type: 'button', class: 'uhr-chip', 'data-csv': '1', onclick },
      `CSV of ${count(get().past.length)}`,
    ),
  );
}

/** The history as CSV; a text that a spreadsheet would take for a formula gets a ' before it. @param {PastEntry[]} past */
export function csv(past) {
  const cell = (/** @type {unknown} */ value) => {
    const text = String(value ?? '');
    const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const rows = past.map((entry) => [
    entry.image,
    entry.question,
    sum(entry.budgets),
    entry.looks,
    entry.tokens,
    entry.text,
    entry.correct,
    entry.model,
    methodText(entry.method),
    entry.seconds.toFixed(3),
  ]);
  return [COLUMNS, ...rows].map((each) => each.map(cell).join(',')).join('\r\n') + '\r\n';
}
