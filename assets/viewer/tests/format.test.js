import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bytes, count, distinct, percent, pixels, plural, points, seconds, sum } from '../format.js';
import { groupName, inOrder, sizeName } from '../groups.js';
import { factText } from '../run.js';

test('numbers', () => {
  assert.deepEqual(
    [count(131_328), count(2.6), percent(0.1234), percent(0.5, 0)],
    ['131,328', '3', '12.3 %', '50 %'],
  );
  assert.deepEqual([pixels(3.14159), pixels(9.96), pixels(1234.5)], ['3.1 px', '10.0 px', '1,235 px']);
  assert.deepEqual([0.0213, -0.0213, 0].map(points), ['+2.1', '−2.1', '0.0']);
  assert.deepEqual(
    [plural(1, 'token'), plural(2000, 'token'), plural(0, 'box', 'boxes')],
    ['1 token', '2,000 tokens', '0 boxes'],
  );
});

test('times, with the unit that reads best', () => {
  assert.deepEqual([0.0004, 0.0994, 0.0995, 9.94, 9.95, 89, 90].map(seconds), [
    '0\u00a0ms',
    '99\u00a0ms',
    '0.1\u00a0s',
    '9.9\u00a0s',
    '10\u00a0s',
    '89\u00a0s',
    '1.5\u00a0min',
  ]);
});

test('sizes in memory', () => {
  assert.deepEqual([1500, 18e6, 2.34e9].map(bytes), ['2 KB', '18 MB', '2.3 GB']);
});

test('lists of numbers', () => {
  assert.equal(sum([]), 0);
  assert.equal(sum([1, 2, 3]), 6);
  assert.deepEqual(distinct([300, 64, 300, 1000]), [64, 300, 1000]);
});

test('groups of the evaluations', () => {
  assert.deepEqual(['all', 'size: <= 4', 'size: 5-8', 'size: > 32'].map(sizeName), [
    'all',
    '≤ 4 px',
    '5 to 8 px',
    '> 32 px',
  ]);
  assert.deepEqual(['all', 'type: count', 'size: 5-8'].map(groupName), [
    'all questions',
    'count questions',
    'questions that need an object of 5 to 8 px',
  ]);
  const mixed = ['type: count', 'size: > 32', 'size: 9-16', 'all', 'size: <= 4', 'size: 17-32'];
  assert.deepEqual(
    inOrder(mixed).map((group) => group.replace(/^size: /, '')),
    ['all', '<= 4', '9-16', '17-32', '> 32', 'type: count'],
  );
});

test('facts of a run', () => {
  assert.deepEqual(
    [factText('memory, worker', 2.5e9), factText('seed', 1234), factText('order', 'max')],
    ['2.5 GB', '1,234', 'max'],
  );
});
