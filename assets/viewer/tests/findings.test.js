import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gridShares, linear, logarithmic, tenths } from '../axes.js';
import { basis } from '../findings.js';
import { asked, budgetLabels, drawingOrder, floorsOf } from '../frontier-chart.js';
import { isReleased, looksOf } from '../looks.js';
import { along, looksBasis } from '../looksfound.js';
import { fitting } from '../misses.js';
import { realBasis, rowsOf } from '../real.js';

test('axes', () => {
  const y = linear([0, 1], [100, 0]);
  assert.deepEqual([0, 0.25, 1].map(y), [100, 75, 0]);
  assert.equal(linear([3, 3], [7, 9])(3), 7, 'a single value stands at the start');
  const x = logarithmic([10, 1000], [0, 200]);
  assert.deepEqual(
    [10, 100, 1000].map((value) => Math.round(x(value))),
    [0, 100, 200],
  );
});

test('a chart’s range and its grid', () => {
  assert.deepEqual(tenths([0.34, 0.61]), [0.3, 0.7]);
  assert.deepEqual(tenths([0, 1]), [0, 1]);
  assert.deepEqual(
    gridShares([0.3, 0.7]).map((share) => +share.toFixed(3)),
    [0.3, 0.4, 0.5, 0.6, 0.7],
  );
  assert.deepEqual(
    gridShares([0, 1]).map((share) => +share.toFixed(3)),
    [0, 0.2, 0.4, 0.6, 0.8, 1],
  );
});

test('labels leave room for each other, the largest budget first', () => {
  assert.deepEqual(
    budgetLabels([64, 70, 256, 1000], (budget) => ({ 64: 0, 70: 10, 256: 60, 1000: 100 })[budget] ?? 0),
    [1000, 256, 70],
  );
});

test('floors that are known', () => {
  const frontier = { majority: { all: 0.4 }, no_image: { all: 0.3, 'type: count': 0.2 } };
  assert.deepEqual(floorsOf(frontier, 'all'), [
    ['majority answer', 0.4],
    ['no image', 0.3],
  ]);
  assert.deepEqual(floorsOf(frontier, 'type: count'), [['no image', 0.2]]);
});

test('the default is drawn last, faded lines first', () => {
  const methods = [
    { id: 'default', default: true },
    { id: 'shown', default: false },
    { id: 'faded', default: false },
  ];
  assert.deepEqual(
    drawingOrder(methods, new Set(['default', 'shown'])).map(({ id }) => id),
    ['faded', 'shown', 'default'],
  );
});

test('how many questions a curve was asked', () => {
  assert.equal(
    asked([
      [64, 0.5, 0.4, 0.6, 100],
      [256, 0.5, 0.4, 0.6, 90],
    ]),
    100,
  );
});

test('looks differ, the default has the accent, and only it and baselines are solid', () => {
  const ours = Array.from({ length: 8 }, (_method, i) => ({
    id: `u${i}`,
    family: /** @type {const} */ ('uhrbat'),
    default: i === 0,
  }));
  const baseline = { id: 'b', family: /** @type {const} */ ('baseline'), default: false };
  const looks = looksOf([...ours, baseline]);
  assert.deepEqual(looks.u0, { color: 'var(--uhr-accent)', dash: '' });
  assert.equal(looks.b.dash, '');
  assert.ok(ours.slice(1).every(({ id }) => looks[id].dash !== ''));
  assert.equal(new Set(Object.values(looks).map(({ color, dash }) => `${color}${dash}`)).size, 9);
  assert.notEqual(looks.u7.dash, looks.u1.dash, 'the seventh colour begins a new dash');
});

test('the released method', () => {
  assert.equal(isReleased({ importance: 'attention', regions: 'kmeans', order: 'mean' }), true);
  assert.equal(isReleased({ importance: 'attention', regions: 'kmeans', order: 'max' }), false);
});

test('misses by cause, budget and importance', () => {
  const all = [
    { cause: 'merged', budget: 256, method: { importance: 'similarity' } },
    { cause: 'merged', budget: 64, method: { importance: 'attention' } },
    { cause: 'region', budget: 256, method: { importance: 'attention' } },
  ];
  const every = { cause: '', budget: '', importance: '' };
  assert.equal(fitting(all, every).length, 3);
  assert.deepEqual(fitting(all, { ...every, cause: 'merged' }), all.slice(0, 2));
  assert.deepEqual(fitting(all, { ...every, budget: '256', importance: 'attention' }), [all[2]]);
  assert.deepEqual(fitting(all, { ...every, budget: '25' }), []);
});

test('the rows of one kind at one budget', () => {
  const rows = ['car', 'ship'].flatMap((kind) =>
    [256, 3000].flatMap((budget) => ['<= 8', 'all'].map((size) => ({ kind, budget, size }))),
  );
  assert.deepEqual(rowsOf(rows, { kind: 'ship', budget: 256 }), rows.slice(4, 6));
});

test('sentences', () => {
  const real = { model: 'nano', parameters: 9_640_000, pictures: 121, compositions: 1200, worlds: 0 };
  assert.equal(
    realBasis(real, null),
    'nano (9.6 million parameters) on 1,200 scenes put together from 121 real pictures that were held back from training.',
  );
  assert.match(
    realBasis({ ...real, worlds: 4 }, { ...real, parameters: 7_070_000 }),
    /training, and 4 generated worlds beside them\. “Before”: the same of nano \(7\.1 million parameters\)\.$/,
  );
  const settings = { importance: 'similarity', regions: 'kmeans', order: 'max' };
  const measured = {
    model: 'nano',
    parameters: 14_250_000,
    settings,
    seeds: 'evaluation',
    scenes: 1000,
    questions: 3000,
  };
  assert.match(
    basis(measured),
    /^nano \(14\.3 million parameters; importance similarity, regions kmeans, order max\) on 3,000 questions about 1,000 /,
  );
});

test('what looks add, by budget, and what it was measured on', () => {
  const point = {
    looks: '64',
    split: 'paper',
    budget: 3000,
    measure: /** @type {const} */ ('evidence'),
    group: 'all',
  };
  const points = [
    point,
    { ...point, looks: '0' },
    { ...point, split: 'question' },
    { ...point, group: 'size: 6-8' },
    { ...point, measure: /** @type {const} */ ('accuracy') },
    { ...point, budget: 64 },
  ];
  assert.deepEqual(along(points, point, [64, 256, 3000]), [points[5], undefined, point]);
  const measured = {
    model: 'nano',
    parameters: 9_600_000,
    settings: { importance: 'similarity', regions: 'kmeans', order: 'max' },
    seeds: 'evaluation',
    scenes: 10,
    questions: 120,
  };
  assert.match(
    looksBasis({ side: 16_384, measured }),
    /120 questions about 10 generated worlds of 16,384 px/,
  );
});
