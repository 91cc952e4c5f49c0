// Real objects placed in photographs, on the Findings page: which of them are preserved.

import { flag, h } from './dom.js';
import { count, distinct } from './format.js';
import { finest } from './geometry.js';
import { sizeName } from './groups.js';
import { note } from './parts.js';
import { get } from './store.js';
import { interval, share, table } from './tables.js';

/** @typedef {import('./types.d.ts').Photographs} Photographs */

/** Importance and order of regions of each column; the last as released. */
const METHODS = [
  { importance: 'similarity', order: 'max' },
  { importance: 'fused', order: 'max' },
  { importance: 'attention', order: 'mean' },
];
/** @type {Record<string, string>} */
const KINDS = { 'kind: car': 'cars', 'kind: person': 'people' };
const GROUPS = [
  'all',
  'kind: car',
  'kind: person',
  'size: <= 4',
  'size: 5-8',
  'size: 9-16',
  'size: 17-32',
  'size: > 32',
];

/** @param {Photographs} photographs */
export function photographs({ pictures, chips, placements, points, causes }) {
  const budgets = distinct(points.map((row) => row.budget));
  const place = h('div');
  const buttons = budgets.map((budget) =>
    h(
      'button',
      { type: 'button', class: 'uhr-chip', 'data-budget': budget, onclick: () => draw(budget) },
      `${count(budget)} tokens`,
    ),
  );

  /** @param {number} budget */
  function draw(budget) {
    for (const button of buttons) {
      flag(button, 'aria-pressed', Number(button.dataset.budget) === budget);
    }
    place.replaceChildren(
      preserved(points.filter((row) => row.budget === budget)),
      note(lostText(causes.filter((row) => row.budget === budget))),
    );
  }
  draw(budgets[budgets.length - 1]);
  return h(
    'section',
    {},
    h('h3', {}, 'Real objects in photographs'),
    note(
      `${count(chips)} cars and people, cut out, shrunk and placed ${count(placements)} times in ${count(pictures)} photographs: share of them with a preserved token. ` +
        'nano has seen no photograph; its answers about them mean nothing and are not counted.',
    ),
    h(
      'div',
      { class: 'uhr-choices' },
      h('div', { class: 'uhr-choice', role: 'group', 'aria-label': 'Token budget' }, buttons),
    ),
    place,
  );
}

/** @param {Photographs['points']} rows Those of one budget. */
function preserved(rows) {
  const groups = GROUPS.filter((group) => rows.some((row) => row.group === group));
  return table(
    'Preserved real objects',
    [
      ['objects', `Longer side at ${count(finest(get().model))} px`],
      ...METHODS.map(({ importance, order }) =>
        interval(importance, `Importance ${importance}, regions ordered by ${order}`),
      ),
    ],
    groups.map((group) => [
      KINDS[group] ?? sizeName(group),
      ...METHODS.map(({ importance, order }) => {
        const row = rows.find(
          (each) => each.importance === importance && each.order === order && each.group === group,
        );
        return row ? share(row) : '–';
      }),
    ]),
  );
}

/** @param {import('./types.d.ts').Cause[]} causes Those of one budget. */
export function lostText(causes) {
  const lost = causes.filter((row) => row.losses).map((row) => `${row.cause} ${count(row.losses)}`);
  return lost.length ? `Not preserved by default: ${lost.join(', ')}.` : 'All preserved by default.';
}
