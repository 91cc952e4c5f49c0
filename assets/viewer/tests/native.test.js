import assert from 'node:assert/strict';
import { test } from 'node:test';

import { imageTokensOf, nativeSizes, tokensOf } from '../geometry.js';
import { choices, lookSeconds, tileBox, tilesOf } from '../native.js';
import { COST, IMAGE } from './made.js';

const WHOLE = { scales: [672, 1344, 2688, 4032], tile: 336, grid: 24, shares: '' };
const MODEL = { ...WHOLE, scales: [...WHOLE.scales, 8064], looked: { 8064: [0, 300] }, whole: WHOLE };

test('native scales go up to the image’s own size, as in Python', () => {
  const known = { 4032: [], 5000: [], 6000: [5712], 8064: [8064], 16384: [8064, 16128] };
  for (const [side, sizes] of Object.entries(known)) {
    for (const model of [WHOLE, MODEL]) assert.deepEqual(nativeSizes(model, { side: +side }), sizes);
  }
  assert.deepEqual(nativeSizes(WHOLE, null), []);
});

test('a native scale counts the tokens of the tiles that were looked at, without padding', () => {
  assert.equal(tokensOf(MODEL, 8064), 2 * 576);
  const wide = { width: 8064, height: 4032, side: 8064, offset: /** @type {[number, number]} */ ([0, 2016]) };
  assert.equal(imageTokensOf(MODEL, wide, 8064), 576);
  assert.equal(imageTokensOf(MODEL, null, 8064), 2 * 576);
});

test('looks go up to what there is, and to what a question may take', () => {
  assert.deepEqual(choices(0, 512), []);
  assert.deepEqual(choices(40, 512), [0, 16, 32, 40]);
  assert.deepEqual(choices(9000, 256), [0, 16, 32, 64, 128, 256]);
  assert.deepEqual(choices(40, null), []);
  const large = {
    ...IMAGE,
    width: 8064,
    height: 4032,
    side: 8064,
    offset: /** @type {[number, number]} */ ([0, 2016]),
  };
  assert.equal(tilesOf(WHOLE, large), 24 * 12);
  assert.equal(tilesOf(WHOLE, IMAGE), 0);
});

test('what looks take is known once tiles and files have been timed', () => {
  const image = { width: 10000, height: 10000 };
  assert.equal(lookSeconds(COST, image, 64), null);
  assert.equal(lookSeconds({ ...COST, tile_seconds: 0.1, megapixel_seconds: 0.02 }, image, 64), 8.4);
});

test('a tile’s box lies in pixels of the image', () => {
  assert.deepEqual(tileBox(5, 4, { side: 1000, offset: [0, 200] }), [250, 50, 500, 300]);
});
