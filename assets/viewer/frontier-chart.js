// The chart of the frontier: a share of the questions against the token budget, a line a compressor.

import { gridShares, linear, logarithmic, tenths } from './axes.js';
import { count, distinct, percent } from './format.js';
import { groupName } from './groups.js';
import { placeholder } from './parts.js';
import { element, line, text } from './svg.js';

/**
 * @typedef {import('./types.d.ts').Frontier} Frontier
 * @typedef {import('./types.d.ts').CurvePoint} CurvePoint
 * @typedef {import('./types.d.ts').Measure} Measure
 * @typedef {(value: number) => number} Axis
 * @typedef {{left: number, right: number, x: Axis, y: Axis}} Frame
 */

const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [340, 46, 18, 14, 34];
const [WIDE, NARROW] = [760, 400];
const LABEL = 36; // the least distance between two labels of the budget's axis

/** @type {Record<Measure, [name: string, explanation: string]>} */
export const MEASURES = {
  accuracy: ['Accuracy', 'Share of questions answered exactly right'],
  evidence: [
    'Evidence preserved',
    'Share of questions whose every needed object has a preserved token at some scale',
  ],
};

/** How many questions a curve was asked. @param {CurvePoint[]} curve */
export const asked = (curve) => Math.max(...curve.map(([, , , , questions]) => questions));

/**
 * @param {Frontier} frontier
 * @param {import('./types.d.ts').Curves} curves
 * @param {import('./frontier.js').Chosen} chosen
 * @param {Record<string, import('./looks.js').Look>} looks
 * @param {boolean} narrow
 */
export function chart(frontier, curves, { measure, group, methods: shown }, looks, narrow) {
  const all = Object.values(curves).flat();
  if (!all.length) return placeholder('Nothing was measured here.');
  const budgets = distinct(all.map(([budget]) => budget));
  const floors = measure === 'accuracy' ? floorsOf(frontier, group) : [];
  const range = tenths([
    ...all.flatMap(([, , low, high]) => [low, high]),
    ...floors.map(([, value]) => value),
  ]);
  const width = narrow ? NARROW : WIDE;
  const [left, right] = [LEFT, width - RIGHT];
  const frame = {
    left,
    right,
    x: logarithmic([budgets[0], budgets[budgets.length - 1]], [left, right]),
    y: linear([range[1], range[0]], [TOP, HEIGHT - BOTTOM]),
  };
  return element(
    'svg',
    {
      viewBox: `0 0 ${width} ${HEIGHT}`,
      class: 'uhr-chart',
      role: 'img',
      'aria-label': `${MEASURES[measure][0]} of ${groupName(group)} against the token budget; the numbers are in the table below`,
    },
    ...gridShares(range).flatMap((share) => gridLine(share, frame)),
    ...budgetLabels(budgets, frame.x).map((budget) =>
      text(count(budget), frame.x(budget), HEIGHT - 14, 'middle'),
    ),
    text('total token budget', (left + right) / 2, HEIGHT - 1, 'middle'),
    ...floors.flatMap((floor, i) => floorLine(floor, i === 0, frame)),
    ...drawingOrder(frontier.methods, shown)
      .filter(({ id }) => curves[id])
      .map((method) =>
        shown.has(method.id)
          ? methodLine(method, curves[method.id], looks[method.id], frame)
          : element('polyline', { points: pointsOf(curves[method.id], frame), class: 'faded' }),
      ),
  );
}

/**
 * Accuracies that need no image, as far as they are known for a group.
 * @param {Pick<Frontier, 'majority' | 'no_image'>} frontier
 * @param {string} group
 * @returns {[name: string, value: number][]}
 */
export function floorsOf({ majority, no_image: noImage }, group) {
  /** @type {[string, number | undefined][]} */
  const floors = [
    ['majority answer', majority[group]],
    ['no image', noImage[group]],
  ];
  return floors.flatMap(([name, value]) => (value == null ? [] : [[name, value]]));
}

/**
 * The budgets that get a label, from the largest down: those that leave room for each other.
 * @param {number[]} budgets Ascending.
 * @param {Axis} x
 */
export function budgetLabels(budgets, x) {
  let left = Infinity;
  return budgets.toReversed().filter((budget) => {
    const fits = left - x(budget) >= LABEL;
    if (fits) left = x(budget);
    return fits;
  });
}

/**
 * Highlighted methods above faded ones, and the default above all.
 * @template {Pick<import('./types.d.ts').MeasuredMethod, 'id' | 'default'>} Method
 * @param {Method[]} methods
 * @param {Set<string>} shown
 */
export const drawingOrder = (methods, shown) =>
  [...methods].sort(
    (a, b) => Number(shown.has(a.id)) - Number(shown.has(b.id)) || Number(a.default) - Number(b.default),
  );

/**
 * @param {number} share
 * @param {Frame} frame
 */
const gridLine = (share, { left, right, y }) => [
  line('grid', [left, y(share)], [right, y(share)]),
  text(`${Math.round(100 * share)} %`, left - 6, y(share) + 4, 'end'),
];

/**
 * @param {[name: string, value: number]} floor
 * @param {boolean} first Its name stands at the left, the other's at the right.
 * @param {Frame} frame
 */
const floorLine = ([name, value], first, { left, right, y }) => [
  line('floor', [left, y(value)], [right, y(value)]),
  first ? text(name, left + 4, y(value) - 4, 'start') : text(name, right, y(value) - 4, 'end'),
];

/**
 * @param {CurvePoint[]} curve
 * @param {Frame} frame
 */
const pointsOf = (curve, { x, y }) => curve.map(([budget, value]) => `${x(budget)},${y(value)}`).join(' ');

/**
 * @param {import('./types.d.ts').MeasuredMethod} method
 * @param {CurvePoint[]} curve
 * @param {import('./looks.js').Look} look
 * @param {Frame} frame
 */
function methodLine({ id, title, default: isDefault }, curve, { color, dash }, frame) {
  const { x, y } = frame;
  return element(
    'g',
    { style: `--line:${color}`, class: isDefault ? 'method default' : 'method', 'data-method': id },
    element('polyline', { points: pointsOf(curve, frame), 'stroke-dasharray': dash }),
    ...curve.flatMap(([budget, value, low, high, questions]) => {
      const tip = `${title}, ${count(budget)} tokens: ${percent(value)} (${percent(low)} to ${percent(high)}) of ${count(questions)} questions`;
      return [
        line('interval', [x(budget), y(low)], [x(budget), y(high)]),
        element('circle', { cx: x(budget), cy: y(value), r: 3.5 }, element('title', {}, tip)),
      ];
    }),
  );
}
