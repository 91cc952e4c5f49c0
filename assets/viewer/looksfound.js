// What looks at the file's own pixels add on large worlds, on the Findings page.

import { h, shown } from './dom.js';
import { count, distinct } from './format.js';
import { inOrder, sizeName } from './groups.js';
import { causeName } from './misses.js';
import { note } from './parts.js';
import { interval, share, table } from './tables.js';

/**
 * @typedef {import('./types.d.ts').Looks} Looks
 * @typedef {import('./types.d.ts').LooksLoss} LooksLoss
 * @typedef {import('./types.d.ts').Measure} Measure
 * @typedef {Pick<Looks['points'][number], 'looks' | 'split' | 'budget' | 'measure' | 'group'>} Point
 */

/** @type {[measure: Measure, title: string, explanation: string][]} */
const MEASURES = [
  ['evidence', 'Is the evidence preserved?', 'Share of the evidence with a preserved token at some scale'],
  ['accuracy', 'Is the answer right?', 'Share of the questions whose answer is exactly right'],
];
const LOOKS = 'Tiles of the file’s own pixels that are looked at; “all” for every one';
const AT_MOST = 3000; // tokens at which sizes are compared

/**
 * @param {Looks | null} found
 * @param {LooksLoss | null} lost
 */
export function looksSection(found, lost) {
  const basis = found ?? lost;
  if (!basis) return null;
  return h(
    'section',
    { class: 'uhr-looksfound' },
    h('h3', {}, 'Looks at the file’s own pixels'),
    note(looksBasis(basis)),
    found &&
      h('div', { class: 'uhr-pair uhr-stacked' }, ...MEASURES.map((measure) => measured(found, measure))),
    lost && h('div', { class: 'uhr-pair' }, losses(lost), causes(lost)),
  );
}

/** What was measured, on what. @param {Pick<Looks, 'side' | 'measured'>} found */
export const looksBasis = ({ side, measured: { model, parameters, scenes, questions } }) =>
  `${model} (${(parameters / 1e6).toFixed(1)} million parameters) on ${count(questions)} questions about ` +
  `${count(scenes)} generated worlds of ${count(side)} px, objects of 6 to 30 pixels of the file. ` +
  'A look is one tile of the file’s own pixels, beyond the finest scale.';

/**
 * The points of one measure and group, by budget; undefined where one was not measured.
 * @template {Point} Found
 * @param {Found[]} points
 * @param {Pick<Point, 'looks' | 'split' | 'measure' | 'group'>} wanted
 * @param {number[]} budgets
 */
export const along = (points, wanted, budgets) =>
  budgets.map((budget) =>
    points.find(
      (point) =>
        point.budget === budget &&
        point.looks === wanted.looks &&
        point.split === wanted.split &&
        point.measure === wanted.measure &&
        point.group === wanted.group,
    ),
  );

/** @param {import('./types.d.ts').Interval | undefined} point */
const figure = (point) => (point ? share(point) : '–');

/**
 * @param {Looks} found
 * @param {[measure: Measure, title: string, explanation: string]} measure
 */
function measured({ looks, points }, [measure, title, explanation]) {
  const own = points.filter((point) => point.measure === measure);
  const budgets = distinct(own.map((point) => point.budget));
  const splits = [...new Set(own.map((point) => point.split))].sort();
  const at = budgets.includes(AT_MOST) ? AT_MOST : budgets[budgets.length - 1];
  const sizes = inOrder([...new Set(own.map(({ group }) => group))].filter((group) => group !== 'all'));
  return h(
    'div',
    {},
    h('h4', { title: explanation }, title),
    table(
      `${title} By looks and budget`,
      [
        ['looks', LOOKS],
        ...(splits.length > 1 ? [/** @type {[string, string]} */ (['split', SPLIT])] : []),
        ...budgets.map((budget) => interval(`${count(budget)} tokens`, explanation)),
      ],
      looks.flatMap((each) =>
        splits.map((split) => [
          each,
          ...(splits.length > 1 ? [split] : []),
          ...along(own, { looks: each, split, measure, group: 'all' }, budgets).map(figure),
        ]),
      ),
      splits.length > 1 ? 1 : 0,
    ),
    ...shown([
      sizes.length > 0 &&
        table(
          `${title} By looks and size`,
          [
            ['looks', LOOKS],
            ...sizes.map((group) =>
              interval(sizeName(group), `The smallest object that the answer needs, at ${count(at)} tokens`),
            ),
          ],
          looks.map((each) => [
            each,
            ...sizes.map((group) => {
              const [point] = along(own, { looks: each, split: splits[0], measure, group }, [at]);
              return figure(point);
            }),
          ]),
        ),
      sizes.length > 0 &&
        note(`The second table is at ${count(at)} tokens, by the smallest object that the answer needs.`),
    ]),
  );
}

const SPLIT = 'How the budget is shared over the scales: as in the paper, or by where the importance lies';

/** @param {LooksLoss} lost */
const losses = ({ losses: rows }) =>
  h(
    'div',
    {},
    h('h4', {}, 'What is lost without looking there'),
    table(
      'Answers lost for want of a look',
      [
        ['looks', LOOKS],
        ['budget', 'Total tokens'],
        ['questions', 'How many'],
        ['right', 'Answered right'],
        ['right there', 'Answered right where it is looked at the evidence, its tokens put first'],
        ['lost', 'Right only where it is looked at the evidence'],
      ],
      rows.map((row) => [
        row.looks,
        count(row.budget),
        count(row.questions),
        count(row.right),
        count(row.there),
        count(row.lost),
      ]),
    ),
  );

/** @param {LooksLoss} lost */
const causes = ({ causes: rows }) =>
  h(
    'div',
    {},
    h('h4', {}, 'Why'),
    table(
      'Causes of what is lost',
      [
        ['looks', LOOKS],
        ['cause', 'Of the losses'],
        ['budget', 'Total tokens'],
        ['losses', 'How many'],
      ],
      rows.map((row) => [row.looks, causeName(row.cause), count(row.budget), count(row.losses)]),
      1,
    ),
  );
