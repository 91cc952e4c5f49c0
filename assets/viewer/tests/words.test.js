import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sentence, unpackWords, wordPositions } from '../words.js';

const WORDS = ['place 1', 'top'];
const WEIGHTS = unpackWords(
  { words: WORDS, ranks: [2, 1] },
  Float32Array.from([0.1, 0.1, 0.2, 0, 0.2, 0.05]),
  [672, 1344],
);
const looked = { maps: 'm', words: WORDS, weights: WEIGHTS };

test('weights come by scale, word and rank', () => {
  const found = [...WEIGHTS].map(([size, all]) => [
    size,
    all.map((each) => [...each].map((w) => +w.toFixed(3))),
  ]);
  assert.deepEqual(found, [
    [
      672,
      [
        [0.1, 0.1],
        [0.2, 0],
      ],
    ],
    [1344, [[0.2], [0.05]]],
  ]);
});

test('how much a word looked at the image is said by scale', () => {
  assert.equal(
    sentence(looked, 1),
    '“top” gave 25.0 % of its attention to the image: 80.0 % at 672, 20.0 % at 1344.',
  );
});

test('an average’s attention is shared by its tokens; what was not given, or is padding, is clear', () => {
  const tokens = {
    size: 672,
    count: 5,
    rank: Uint32Array.from([1, 2, 2, 9, 1]),
    outside: Uint8Array.from([0, 0, 0, 0, 1]),
    members: (/** @type {number} */ i) => (i === 1 || i === 2 ? 2 : 1),
  };
  const positions = [...wordPositions(tokens, looked, 0)].map((each) => +each.toFixed(3));
  assert.deepEqual(positions, [0.707, 0.5, 0.5, -1, -1]);
});
