import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STALE, isQuick, staleness } from '../answers.js';
import { stopping } from '../stopping.js';
import { changes, summary, withTotals } from '../sweeps.js';
import { bestFate, fateDetail, keptLook, verdictAt, verdictTitle } from '../verdict.js';
import { ANSWER, COST } from './made.js';

test('an answer is stale for another budget, and belongs to its own question only', () => {
  assert.equal(staleness(ANSWER, ' How many ships? ', [1, 1, 1, 1]), '');
  assert.equal(staleness(ANSWER, 'How many ships?', [1, 1, 1, 2]), STALE);
  assert.equal(staleness(ANSWER, 'How many cars?', [1, 1, 1, 1]), 'answers the previous question');
});

test('an answer follows the slider where it takes less than 0.7 s', () => {
  assert.equal(isQuick(ANSWER, COST, [100, 400]), true);
  assert.equal(isQuick(ANSWER, COST, [100, 500]), false, '0.6 s to read and 0.1 s to answer');
  assert.equal(isQuick(ANSWER, { tokens_per_second: null, overhead_seconds: 0 }, [1]), false);
  assert.equal(isQuick(ANSWER, null, [1]), false);
  assert.equal(
    isQuick(ANSWER, { ...COST, overhead_seconds: 0.6 }, [10]),
    false,
    'what any answer takes counts',
  );
});

test('reports of a stopped job are recognised', () => {
  const stopped = stopping();
  assert.equal(stopped.isAbout({ state: 'running', job: 'a' }), false);
  assert.equal(stopped.stop('a'), 'a');
  assert.equal(stopped.isAbout({ state: 'running', job: 'a' }), true);
  assert.equal(stopped.isAbout({ state: 'running', job: 'b' }), false);
  assert.equal(stopped.isAbout({ state: 'idle', job: 'a' }), false, 'its end is shown');
  assert.equal(stopped.isAbout(null), false);
});

test('a job stopped before its name is known is the next that reports', () => {
  const stopped = stopping();
  stopped.stop();
  assert.equal(stopped.isAbout({ state: 'running', job: 'c' }), true);
  assert.equal(stopped.isAbout({ state: 'running', job: 'd' }), false);
  assert.equal(stopped.isAbout({ state: 'running', job: 'c' }), true);
});

const OBJECT = {
  budgets: [1, 2],
  cause: 'merged',
  verdict: 'Its tokens are averaged.',
  steps: [
    { total: 1, preserved: false, cause: 'region', verdict: 'too low' },
    { total: 50, preserved: true, cause: '', verdict: 'kept' },
  ],
};

test('the verdict at the budgets asked for is the worker’s own', () => {
  assert.deepEqual(verdictAt(OBJECT, false, [1, 2], 3), {
    preserved: false,
    cause: 'merged',
    verdict: 'Its tokens are averaged.',
  });
});

test('elsewhere it is that of the last step up to the total', () => {
  assert.equal(verdictAt(OBJECT, false, [9, 9], 49).verdict, 'too low');
  assert.equal(verdictAt(OBJECT, false, [9, 9], 50).verdict, 'kept');
  assert.equal(verdictAt(OBJECT, false, [0, 0], 0).verdict, 'too low');
});

test('with a budget for each scale only preservation is known until the worker answers', () => {
  assert.deepEqual(verdictAt(OBJECT, true, [9, 9], null), { preserved: true, cause: '', verdict: '…' });
});

test('a box’s fate in words', () => {
  assert.equal(verdictTitle({ preserved: true, cause: '' }), 'Kept.');
  assert.equal(verdictTitle({ preserved: false, cause: 'merged' }), 'Lost: merged.');
  assert.equal(verdictTitle({ preserved: false, cause: '' }), 'Lost.');
  assert.equal(bestFate({ preserved: 1, merged: 5 }), 'preserved');
  assert.equal(bestFate({ preserved: 0, merged: 5 }), 'merged');
  assert.equal(bestFate({ preserved: 0, merged: 0 }), 'dropped');
  assert.equal(fateDetail({ tokens: 4000, preserved: 1200, merged: 0, members: 0 }), '1,200 of 4,000');
  assert.equal(fateDetail({ tokens: 4, preserved: 0, merged: 2, members: 900 }), 'with 899');
  assert.equal(fateDetail({ tokens: 4, preserved: 0, merged: 0, members: 0 }), '');
});

/**
 * @param {number} total
 * @param {string} answer
 * @param {boolean | null} [correct]
 */
const point = (total, answer, correct = null) => ({
  budgets: [total],
  answer,
  correct,
  tokens: total,
  seconds: 1,
  evidence: null,
  total,
});

test('a sweep in words', () => {
  const points = [point(64, 'one'), point(256, 'two'), point(1000, 'two')];
  assert.deepEqual(changes(points), [1]);
  assert.equal(summary(points, [64, 256, 1000], false), 'The answer changes at 256 tokens (dashed).');
  assert.equal(summary(points, [64, 256, 1000, 3000], true), '3 of 4 budgets done …');
  assert.equal(summary(points, [64, 256, 1000, 3000], false), 'Stopped after 3 of 4 budgets.');
  assert.equal(
    summary([point(64, 'one', true)], [64], false),
    'Filled dot: correct. Hollow: wrong. The answer is the same at every budget.',
  );
  assert.equal(withTotals([{ ...point(1, 'one'), budgets: [3, 4] }])[0].total, 7);
});

test('what is kept only where it cannot be seen does not look kept', () => {
  /** @param {number} side @param {number} preserved */
  const row = (side, preserved) => ({
    row: { pixels: /** @type {[number, number]} */ ([side, side]) },
    now: { preserved },
  });
  assert.equal(keptLook(true, [row(0.8, 1), row(5, 0)]), 'barely');
  assert.equal(keptLook(true, [row(0.8, 1), row(5, 1)]), 'kept');
  assert.equal(keptLook(false, [row(5, 0)]), 'lost');
  assert.equal(verdictTitle({ preserved: false, cause: 'importance diluted' }), 'Lost: scored too low.');
});
