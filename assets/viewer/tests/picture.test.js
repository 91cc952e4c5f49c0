import assert from 'node:assert/strict';
import { test } from 'node:test';

import { outline } from '../histogram.js';
import { nodataAsFound, rendering } from '../renderings.js';
import { IMAGE } from './made.js';

/** Six 16-bit bands with a nodata value. */
const SIX = {
  ...IMAGE.picture,
  names: ['B02', 'B03', 'B04', 'B08', 'B11', 'B12'],
  shown: [3, 2, 1],
  limits: /** @type {[number, number]} */ ([350, 2900]),
  nodata: -9999,
  pages: ['1, 512 × 512', '2, 256 × 256'],
};
const AS_IT_IS = {
  bands: [3, 2, 1],
  low: '350',
  high: '2900',
  gamma: 1,
  nodata: 'auto',
  nodataValue: '-9999',
  page: 1,
};

test('what is left as the file has it is not chosen', () => {
  assert.deepEqual(rendering(SIX, AS_IT_IS), { chosen: {}, wrong: '' });
  assert.deepEqual(rendering(IMAGE.picture, { low: '', high: '', nodata: 'auto', nodataValue: '' }), {
    chosen: {},
    wrong: '',
  });
});

test('what is changed is chosen', () => {
  const fields = {
    ...AS_IT_IS,
    bands: [4],
    high: '3000.5',
    gamma: 1.5,
    nodata: 'none',
    transparency: 'none',
  };
  assert.deepEqual(rendering(SIX, fields).chosen, {
    bands: [4],
    limits: [350, 3000.5],
    gamma: 1.5,
    nodata: null,
    transparency: 'none',
  });
  assert.deepEqual(rendering(SIX, { ...AS_IT_IS, nodata: 'value', nodataValue: '0' }).chosen, { nodata: 0 });
});

test('what was chosen before stays chosen', () => {
  const chosen = { bands: [3, 2, 1], limits: /** @type {[number, number]} */ ([350, 2900]), page: 2 };
  assert.deepEqual(rendering({ ...SIX, chosen, page: 2 }, { ...AS_IT_IS, page: 2 }).chosen, chosen);
});

test('one limit alone takes the other from what is shown, else from the histogram, else from 8 bits', () => {
  assert.deepEqual(rendering(SIX, { ...AS_IT_IS, low: '', high: '500' }).chosen.limits, [350, 500]);
  const plain = { low: '10', high: '', nodata: 'auto', nodataValue: '' };
  assert.deepEqual(rendering(IMAGE.picture, plain).chosen.limits, [10, 255]);
  assert.deepEqual(rendering(IMAGE.picture, { ...plain, found: [3, 201] }).chosen.limits, [10, 201]);
});

test('another page starts from its own values', () => {
  assert.deepEqual(rendering(SIX, { ...AS_IT_IS, bands: [4], page: 2 }).chosen, { page: 2 });
});

test('what cannot be is said', () => {
  assert.match(rendering(SIX, { ...AS_IT_IS, low: '3000' }).wrong, /less than white/);
  assert.match(rendering(SIX, { ...AS_IT_IS, nodata: 'value', nodataValue: ' ' }).wrong, /no data/);
});

test('what the file says of missing data', () => {
  assert.equal(nodataAsFound(SIX), 'as found: -9999 is left out');
  assert.equal(nodataAsFound(IMAGE.picture), 'none found');
  assert.equal(nodataAsFound({ ...SIX, chosen: { nodata: null } }), 'as the file has it');
});

test('the outline of a histogram stays in its frame', () => {
  const path = outline([0, 4, 1, 0]);
  const numbers = (path.match(/[\d.]+/g) ?? []).map(Number);
  assert.ok(numbers.every((value) => value >= 0 && value <= 240));
  assert.ok(path.includes('L60.0 0.0L120.0 0.0') && path.includes('27.0') && path.endsWith('Z'));
});
