// What the model finds in real pictures that no training saw, on the Findings page.

import { flag, h } from './dom.js';
import { count, distinct, percent } from './format.js';
import { sizeName } from './groups.js';
import { note, tick } from './parts.js';
import { interval, share, table } from './tables.js';

/**
 * @typedef {import('./types.d.ts').Real} Real
 * @typedef {import('./types.d.ts').RealFigures} RealFigures
 * @typedef {import('./types.d.ts').Interval} Interval
 * @typedef {Pick<RealFigures, 'model' | 'parameters' | 'pictures' | 'compositions' | 'worlds'>} Basis
 */

/** @type {[asked: string, heading: string, explanation: string][]} */
const ASKED = [
  ['presence', 'is there one?', 'Right answers to “Is there a car?” and the like; yes and no count alike'],
  ['count', 'how many?', 'Exactly right counts of zero to six'],
  ['count within one', 'within one', 'Counts that are right or off by one'],
];

/** @param {Real} real */
export function realSection({ now, before }) {
  return h(
    'section',
    { class: 'uhr-real' },
    h('h3', {}, 'Real pictures'),
    note(realBasis(now, before)),
    h(
      'div',
      { class: 'uhr-pair' },
      now.precision.length > 0 && precision(now, before),
      now.accuracy.length > 0 && accuracy(now, before),
    ),
    h(
      'div',
      { class: 'uhr-pair' },
      now.evidence.length > 0 && evidence(now, before),
      now.beach.length > 0 && beach(now, before),
    ),
  );
}

/**
 * What was measured, on what.
 * @param {Basis} now
 * @param {Basis | null} before
 */
export function realBasis(now, before) {
  const worlds = now.worlds ? `, and ${count(now.worlds)} generated worlds beside them` : '';
  const earlier = before ? ` “Before”: the same of ${sized(before)}.` : '';
  return (
    `${sized(now)} on ${count(now.compositions)} scenes put together from ${count(now.pictures)} real pictures ` +
    `that were held back from training${worlds}.${earlier}`
  );
}

/** @param {Basis} figures */
const sized = ({ model, parameters }) => `${model} (${(parameters / 1e6).toFixed(1)} million parameters)`;

/**
 * A share over its interval and the one before, if there is one.
 * @param {Interval | undefined} now
 * @param {Interval} [before]
 */
const figure = (now, before) =>
  now ? [...share(now), before ? h('small', {}, `before ${percent(before.value)}`) : null] : '–';

/** Kinds in the order in which they were measured. @param {{kind: string}[]} rows */
const kindsOf = (rows) => [...new Set(rows.map((row) => row.kind))];

/**
 * @param {RealFigures} now
 * @param {RealFigures | null} before
 */
function precision(now, before) {
  const scales = distinct(now.precision.map((row) => row.scale));
  /**
   * @param {RealFigures | null} figures
   * @param {string} kind
   * @param {number} scale
   */
  const at = (figures, kind, scale) =>
    figures?.precision.find((row) => row.kind === kind && row.scale === scale);
  return h(
    'div',
    {},
    h(
      'h4',
      { title: 'Of the 100 most important tokens, those that touch an object asked for' },
      'Do the best tokens show it?',
    ),
    table(
      'Precision in real pictures',
      [
        ['objects asked for', 'Many of them in each scene'],
        ...scales.flatMap((scale) => [
          interval(
            `scale ${scale}`,
            `Share of the 100 most important tokens of scale ${scale} that touch one`,
          ),
          /** @type {import('./parts.js').Heading} */ ([
            'by chance',
            `Share of all tokens of scale ${scale}`,
          ]),
        ]),
      ],
      kindsOf(now.precision).map((kind) => [
        kind,
        ...scales.flatMap((scale) => {
          const row = at(now, kind, scale);
          return [figure(row, at(before, kind, scale)), row ? percent(row.chance) : '–'];
        }),
      ]),
    ),
  );
}

/**
 * @param {RealFigures} now
 * @param {RealFigures | null} before
 */
function accuracy(now, before) {
  /**
   * @param {RealFigures | null} figures
   * @param {string} kind
   * @param {string} asked
   */
  const of = (figures, kind, asked) =>
    figures?.accuracy.find((row) => row.kind === kind && row.asked === asked);
  return h(
    'div',
    {},
    h('h4', {}, 'Is the answer right, at 3,000 tokens?'),
    table(
      'Answers about real pictures',
      [
        ['objects asked for', 'Zero to six of them in each scene'],
        ...ASKED.map(([, heading, explanation]) => interval(heading, explanation)),
        ['scenes', 'Each is asked both questions'],
      ],
      kindsOf(now.accuracy).map((kind) => [
        kind,
        ...ASKED.map(([asked]) => figure(of(now, kind, asked), of(before, kind, asked))),
        count(of(now, kind, 'count')?.questions ?? 0),
      ]),
    ),
  );
}

/**
 * @param {RealFigures} now
 * @param {RealFigures | null} before
 */
function evidence(now, before) {
  const budgets = distinct(now.evidence.map((row) => row.budget));
  const kinds = kindsOf(now.evidence);
  const chosen = {
    budget: budgets[budgets.length - 1],
    kind: kinds.includes('all kinds') ? 'all kinds' : kinds[0],
  };
  const place = h('div');
  const budgetButtons = budgets.map((budget) =>
    h(
      'button',
      { type: 'button', class: 'uhr-chip', 'data-budget': budget, onclick: () => choose({ budget }) },
      `${count(budget)} tokens`,
    ),
  );
  const kindButtons = kinds.map((kind) =>
    h(
      'button',
      { type: 'button', class: 'uhr-chip', 'data-kind': kind, onclick: () => choose({ kind }) },
      kind,
    ),
  );

  /** @param {Partial<typeof chosen>} change */
  function choose(change) {
    Object.assign(chosen, change);
    for (const button of budgetButtons) {
      flag(button, 'aria-pressed', Number(button.dataset.budget) === chosen.budget);
    }
    for (const button of kindButtons) flag(button, 'aria-pressed', button.dataset.kind === chosen.kind);
    place.replaceChildren(preserved(rowsOf(now.evidence, chosen), rowsOf(before?.evidence ?? [], chosen)));
  }
  choose({});
  return h(
    'div',
    {},
    h('h4', {}, 'Is the evidence preserved?'),
    note('Share of the objects asked for that have a preserved token at some scale.'),
    h(
      'div',
      { class: 'uhr-choices' },
      h('div', { class: 'uhr-choice', role: 'group', 'aria-label': 'Token budget' }, budgetButtons),
      h('div', { class: 'uhr-choice', role: 'group', 'aria-label': 'Objects asked for' }, kindButtons),
    ),
    place,
  );
}

/**
 * The rows of one kind at one budget.
 * @template {{budget: number, kind: string}} Row
 * @param {Row[]} rows
 * @param {{budget: number, kind: string}} chosen
 */
export const rowsOf = (rows, { budget, kind }) =>
  rows.filter((row) => row.budget === budget && row.kind === kind);

/**
 * @param {RealFigures['evidence']} rows
 * @param {RealFigures['evidence']} earlier
 */
function preserved(rows, earlier) {
  const attended = rows.some((row) => row.attention !== null);
  return table(
    'Evidence preserved in real pictures',
    [
      ['longer side', 'Of the objects, at 4,032 px'],
      interval('preserved', 'By the model’s own settings; bootstrap, scenes resampled'),
      ...(attended
        ? [
            /** @type {import('./parts.js').Heading} */ ([
              'by attention',
              'Importance by the language model’s attention, all else alike',
            ]),
          ]
        : []),
      ['at random', 'As many tokens chosen at random'],
      ['objects', 'How many'],
    ],
    rows.map((row) => [
      sizeName(row.size),
      figure(
        row,
        earlier.find((each) => each.size === row.size),
      ),
      ...(attended ? [row.attention === null ? '–' : percent(row.attention)] : []),
      percent(row.random),
      count(row.objects),
    ]),
  );
}

/**
 * @param {RealFigures} now
 * @param {RealFigures | null} before
 */
function beach({ beach: rows }, before) {
  const changes = [...new Set(rows.map((row) => row.change))];
  const pictures = [...new Map(rows.map((row) => [row.picture, row.right]))];
  return h(
    'div',
    {},
    h('h4', {}, 'Photographs of a beach: how many cars are there?'),
    table(
      'Cars counted in the beach photographs',
      [
        ['photograph', 'Not a source of any training picture'],
        ['right', 'Cars that it shows; of one, a half hidden car may be counted or not'],
        ...changes.map((change) => /** @type {import('./parts.js').Heading} */ ([change])),
      ],
      pictures.map(([picture, right]) => [
        picture,
        right.join(' or '),
        ...changes.map((change) => {
          /** @param {RealFigures['beach'][number]} row */
          const same = (row) => row.picture === picture && row.change === change;
          const row = rows.find(same);
          const earlier = before?.beach.find(same);
          return row
            ? [
                row.given,
                ' ',
                tick(right.includes(row.given)),
                earlier ? h('small', {}, `before ${earlier.given}`) : null,
              ]
            : '–';
        }),
      ]),
      changes.length + 1,
    ),
  );
}
