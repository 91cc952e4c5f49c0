import assert from 'node:assert/strict';
import { test } from 'node:test';

import { csv } from '../past.js';
import { paintDifference } from '../paint.js';
import { labels } from '../sides.js';

const TOKENS = (/** @type {number[]} */ rank, merged = [0, 0, 0, 0]) =>
  /** @type {import('../tokens.js').ScaleTokens} */ (
    /** @type {unknown} */ ({
      rank: Uint32Array.from(rank),
      merged: Uint8Array.from(merged),
      outside: Uint8Array.of(0, 0, 0, 1),
    })
  );

test('the difference is what one side alone preserves', () => {
  const pixels = new Uint32Array(4);
  paintDifference(pixels, [TOKENS([1, 2, 9, 1]), 2], [TOKENS([1, 9, 2, 1]), 2]);
  const [both, onlyA, onlyB, padding] = pixels;
  assert.equal(new Set([both, onlyA, onlyB, padding]).size, 4);
  assert.equal(padding, 0);
  paintDifference(pixels, [TOKENS([1, 2, 9, 1], [0, 1, 0, 0]), 2], [TOKENS([1, 9, 2, 1]), 2]);
  assert.equal(pixels[1], both, 'what is inside an average is not preserved');
});

test('labels say what the sides differ in', () => {
  const side = (/** @type {string} */ question) => ({
    maps: { id: 'x', question, importance: /** @type {const} */ ('similarity'), scales: [] },
    tokens: new Map(),
    budgets: [1, 2, 3, 4],
    answer: 'yes',
  });
  assert.deepEqual(labels(side('a?'), side('a?')), Array(2).fill('10 tokens'));
  assert.deepEqual(labels(side('a?'), side('b?')), ['10 tokens · “a?”', '10 tokens · “b?”']);
  const released = {
    ...side('a?'),
    maps: { ...side('a?').maps, importance: /** @type {const} */ ('attention') },
    answer: 'no',
  };
  assert.equal(labels(side('a?'), released)[1], '10 tokens · attention · answer: no');
});

test('a history as CSV survives commas, quotes and formulas', () => {
  const entry = {
    id: '1',
    maps: 'm',
    picture: 'p',
    image: 'Air, field',
    question: '=HYPERLINK("x")',
    budgets: [1, 2],
    looks: 64,
    tokens: 3,
    text: 'two\nlines',
    correct: false,
    seconds: 1.23456,
    model: 'nano',
    method: { importance: 'attention', seed: 4 },
  };
  const [head, row] = csv([entry]).split('\r\n');
  assert.equal(head.split(',').length, 10);
  assert.equal(
    row,
    `"Air, field","'=HYPERLINK(""x"")",3,64,3,"two\nlines",false,nano,"attention, seed 4",1.235`,
  );
});
