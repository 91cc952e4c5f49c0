import assert from 'node:assert/strict';
import { test } from 'node:test';

import { budgets, chooseBudget, setBudget, split, useModel } from '../budgets.js';
import { costParts } from '../cost.js';
import { coarsest, finest, gridOf, patchOf, tokensOf, tokensOfAll } from '../geometry.js';
import { cumulate, sameBudgets, splitBy } from '../shares.js';
import { get, set } from '../store.js';
import {
  LEAST,
  MOST,
  STEPS,
  parseTotal,
  presetFor,
  rounded,
  scaleProblem,
  tickText,
  toPosition,
  toTotal,
} from '../totals.js';
import { COST } from './made.js';
import { OWNERS } from './setup.js';

const { model } = get();

test('the geometry of the default model', () => {
  assert.deepEqual(
    model.scales.map((size) => [gridOf(model, size), tokensOf(model, size)]),
    [
      [48, 2304],
      [96, 9216],
      [192, 36864],
      [288, 82944],
    ],
  );
  assert.equal(tokensOfAll(model), 131_328);
  assert.deepEqual([coarsest(model), finest(model)], [672, 4032]);
});

test('a preset is as in the paper where the scales have so many tokens', () => {
  const each = [180, 1320, 1600, 8000];
  assert.deepEqual(presetFor(each, model), each);
  const smolvlm = { ...model, scales: [512, 1536, 2560, 4096], tile: 512, grid: 8 };
  assert.equal(presetFor(each, smolvlm), null);
  assert.deepEqual(presetFor([60, 500, 1600, 4000], smolvlm), [60, 500, 1600, 4000]);
  assert.equal(presetFor(each, { ...model, scales: model.scales.slice(1) }), null);
  assert.deepEqual([patchOf(model), patchOf(smolvlm)], [14, 64]);
});

test('a growing budget is shared in the order that Python gives, and every share is a prefix', () => {
  const shares = cumulate(OWNERS, 4);
  assert.deepEqual(splitBy(shares, 0), [0, 0, 0, 0]);
  assert.deepEqual(splitBy(shares, 3), [0, 0, 1, 2]);
  assert.deepEqual(splitBy(shares, 8), [1, 1, 1, 5]);
  assert.deepEqual(splitBy(shares, 99), splitBy(shares, 8));
  assert.deepEqual(splitBy(shares, -1), [0, 0, 0, 0]);
  for (let total = 1; total <= OWNERS.length; total++) {
    const [now, before] = [splitBy(shares, total), splitBy(shares, total - 1)];
    assert.equal(
      now.reduce((a, b) => a + b),
      total,
    );
    assert.ok(now.every((tokens, i) => tokens >= before[i]));
  }
});

test('budgets are the same where every number is', () => {
  assert.equal(sameBudgets([1, 2], [1, 2]), true);
  assert.equal(sameBudgets([1, 2], Uint32Array.of(1, 2)), true);
  assert.equal(sameBudgets([1, 2], [1, 3]), false);
  assert.equal(sameBudgets([1, 2], [1, 2, 3]), false);
  assert.equal(sameBudgets(null, [1]), false);
});

test('a budget in all is rounded and shared; one for each scale is summed', () => {
  setBudget(3.4);
  assert.deepEqual(get().budget, { total: 3, perScale: null });
  assert.deepEqual(budgets(), split(3));
  setBudget(0, [4, 3, 2, 1]);
  assert.deepEqual(get().budget, { total: 10, perScale: [4, 3, 2, 1] });
  assert.deepEqual(budgets(), [4, 3, 2, 1]);
});

test('the same budget can be chosen twice', () => {
  chooseBudget(5);
  const first = get().chosen;
  chooseBudget(5);
  assert.deepEqual(get().chosen, { total: 5, perScale: null });
  assert.notEqual(get().chosen, first);
});

test('a model of another geometry brings its scales, and the scale shown is one of them', async () => {
  set({ scale: 1344 });
  await useModel({ scales: [448, 1344], tile: 224, grid: 16, shares: 'shares.bin' });
  assert.equal(get().scale, 1344);
  assert.equal(gridOf(get().model, 448), 32);
  await useModel({ scales: [448, 896], tile: 224, grid: 16, shares: 'shares.bin' });
  assert.equal(get().scale, 896);
  await assert.rejects(useModel({ ...model, shares: 'nothing.bin' }), /404/);
  await useModel(model);
});

test('the slider is logarithmic, and positions and totals are each other’s inverse', () => {
  assert.equal(toTotal(0), LEAST);
  assert.ok(Math.abs(toTotal(STEPS) - MOST) < 1e-6);
  for (const total of [64, 300, 3000, 16000]) assert.ok(Math.abs(toTotal(toPosition(total)) - total) < 1e-6);
  assert.equal(toPosition(3), 0);
  assert.ok(toPosition(131_328) > STEPS);
});

test('totals are as round as the slider is precise', () => {
  assert.deepEqual([123.4, 1003, 2004, 15_990].map(rounded), [123, 1005, 2000, 16_000]);
  assert.deepEqual([64, 256, 1000, 16000].map(tickText), ['64', '256', '1k', '16k']);
});

test('a typed total may have separators, and must be a whole number in range', () => {
  assert.equal(parseTotal('131,328', 131_328), 131_328);
  assert.equal(parseTotal(' 3 000 ', 131_328), 3000);
  for (const wrong of ['', '0', '-3', '1.5', 'many', '131329'])
    assert.equal(parseTotal(wrong, 131_328), null);
});

test('a number for a scale is at most its tokens, and not all are 0', () => {
  assert.equal(scaleProblem([0, 1, 0, 0], 1, model), '');
  assert.equal(scaleProblem([2305, 0, 0, 0], 0, model), 'Scale 672 has 2,304 tokens: give 0 to 2,304.');
  assert.match(scaleProblem([NaN, 1, 0, 0], 0, model), /^Scale 672/);
  assert.match(scaleProblem([0, -1, 0, 0], 1, model), /^Scale 1344/);
  assert.equal(scaleProblem([0, 0, 0, 0], 2, model), 'At least one token is needed.');
});

test('a budget’s cost in words, as far as it is known', () => {
  assert.deepEqual(costParts(null, 3000), []);
  assert.deepEqual(costParts(COST, 3000), ['about 3.0\u00a0s to read, 18 MB of memory (nano, CPU)']);
  assert.deepEqual(
    costParts({ ...COST, model: 'big', device: null, tokens_per_second: null, bytes_per_token: null }, 3000),
    ['time to read: known after the first answer (big)'],
  );
});
