// The controlled loss test on the Findings page: how many answers a budget loses, and why.

import { h } from './dom.js';
import { count } from './format.js';
import { causeName } from './misses.js';
import { note, width } from './parts.js';
import { interval, share, table } from './tables.js';

/**
 * @typedef {import('./types.d.ts').Loss} Loss
 * @typedef {import('./types.d.ts').Cause} Cause
 */

/** @type {Record<string, string>} */
const SIDES = { with: 'with the object', without: 'without it', pair: 'both of a pair' };
const PROVED = 'Blue: the answer becomes right when the object’s tokens are added back. Grey: it does not.';
const NONE_LOST = 'No answer about a scene with the object was lost.';

/** @param {Loss} loss */
export function lossSection({ counts, causes, pairs, wide, measured }) {
  const title =
    measured.settings.importance === 'attention'
      ? 'The same, scored by attention as the released code does'
      : 'The controlled loss test';
  return h(
    'section',
    {},
    h('h3', {}, title),
    note(
      `${count(pairs)} pairs of one scene with and without the object that decides the answer. A loss is a question answered right at ${count(wide)} tokens and wrong at a smaller budget.`,
    ),
    h(
      'div',
      { class: 'uhr-pair' },
      countTable(counts, wide),
      h(
        'div',
        {},
        h('h4', { title: 'Of the losses in scenes with the object' }, 'Why they were lost'),
        distinctInOrder(causes).map((budget) =>
          causeBars(
            budget,
            causes.filter((row) => row.budget === budget && row.losses),
          ),
        ),
        note(causes.some((row) => row.losses) ? PROVED : NONE_LOST),
      ),
    ),
  );
}

/** Budgets in the order in which they were measured. @param {Cause[]} causes */
const distinctInOrder = (causes) => [...new Set(causes.map((row) => row.budget))];

/**
 * @param {Loss['counts']} counts
 * @param {number} wide
 */
const countTable = (counts, wide) =>
  table(
    'Losses and gains',
    [
      ['budget', 'Total tokens'],
      ['scene', 'The scene with the object, the same one without it, or both'],
      interval('lost', 'Losses among the questions answered right at the widest budget'),
      ['losses', `Right at ${count(wide)}, wrong here`],
      ['gains', `Wrong at ${count(wide)}, right here`],
      ['right at both', `Right at ${count(wide)} tokens and here`],
      ['wrong at both', 'Not a matter of the budget'],
    ],
    counts.map((row) => [
      count(row.budget),
      SIDES[row.side] ?? row.side,
      share(row),
      count(row.losses),
      count(row.gains),
      count(row.both_right),
      count(row.both_wrong),
    ]),
    1,
  );

/**
 * @param {number} budget
 * @param {Cause[]} rows Those with a loss.
 */
function causeBars(budget, rows) {
  const most = Math.max(1, ...rows.map((row) => row.losses));
  return h(
    'div',
    { class: 'uhr-causes' },
    h('h4', {}, `${count(budget)} tokens`),
    rows.length
      ? h(
          'table',
          { 'aria-label': `Causes at ${budget} tokens` },
          h(
            'tbody',
            {},
            rows.map((row) => causeRow(row, most)),
          ),
        )
      : note('Nothing was lost.'),
  );
}

/**
 * @param {Cause} row
 * @param {number} most The longest bar's losses.
 */
const causeRow = ({ cause, losses, proved }, most) =>
  h(
    'tr',
    {},
    h('th', { scope: 'row' }, causeName(cause)),
    h(
      'td',
      { class: 'uhr-barcell' },
      h(
        'div',
        { class: 'uhr-bar' },
        h('i', { class: 'uhr-proved', style: width(proved / most) }),
        h('i', { class: 'uhr-unproved', style: width((losses - proved) / most) }),
      ),
    ),
    h('td', {}, count(losses), h('small', {}, `${count(proved)} proved`)),
  );
