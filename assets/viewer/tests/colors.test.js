import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FATE, FATE_PIXEL, HEAT, HEAT_CSS, interpolate, regionPixel, rgba } from '../colors.js';
import { colorFates } from '../compare.js';
import { PAINT, outline } from '../paint.js';
import { fourTokens } from './made.js';

const OUTSIDE = Uint8Array.of(0, 0, 0, 1);

test('a colour as a pixel of ImageData', () => {
  assert.equal(rgba('#010203', 255), 0xff030201);
  assert.equal(rgba('#ffffff', 0), 0x00ffffff);
});

test('colours come from Python', () => {
  assert.deepEqual(FATE, { preserved: '#56B4E9', merged: '#E69F00', dropped: '#05080d', padding: '#8b98a6' });
  assert.equal(FATE_PIXEL.preserved, 0xffe9b456);
});

test('between stops colours are mixed, beyond them the ends remain', () => {
  const stops = ['#000000', '#ff0010', '#ffff10'];
  assert.deepEqual(interpolate(stops, 0.25), [128, 0, 8]);
  assert.deepEqual(interpolate(stops, 0.5), [255, 0, 16]);
  assert.deepEqual(interpolate(stops, -1), [0, 0, 0]);
  assert.deepEqual(interpolate(stops, 2), [255, 255, 16]);
});

test('the heat map runs from its first stop to its last, and never gets darker', () => {
  assert.equal(HEAT.length, 256);
  assert.equal(HEAT[0], rgba('#000004', 255));
  assert.equal(HEAT[255], rgba('#fcffa4', 255));
  const light = [...HEAT].map(
    (p) => 0.2126 * (p & 255) + 0.7152 * ((p >> 8) & 255) + 0.0722 * ((p >> 16) & 255),
  );
  for (let i = 1; i < light.length; i++) assert.ok(light[i] >= light[i - 1] - 1);
  assert.match(HEAT_CSS, /^linear-gradient\(90deg, #000004, .*#fcffa4\)$/);
});

test('a region keeps its colour, and neighbours differ mostly', () => {
  assert.equal(regionPixel(5), regionPixel(5));
  const colors = new Set(Array.from({ length: 100 }, (_color, region) => regionPixel(region)));
  assert.equal(colors.size, 12);
  assert.notEqual(regionPixel((1 << 24) - 1), undefined);
});

test('fates are painted at a budget; padding is hatched', () => {
  const pixels = new Uint32Array(4);
  PAINT.fate(pixels, fourTokens({}, OUTSIDE), 1);
  const { preserved, merged, dropped } = FATE_PIXEL;
  assert.deepEqual([...pixels], [preserved, dropped, dropped, 0]);
  PAINT.fate(pixels, fourTokens({}, OUTSIDE), 2);
  assert.deepEqual([...pixels], [preserved, merged, merged, 0]);
});

test('importances are stretched over the heat map and cut at its ends', () => {
  const tokens = fourTokens({}, OUTSIDE);
  const pixels = new Uint32Array(4).fill(7);
  PAINT.importance(pixels, tokens, 0);
  assert.deepEqual([...pixels], [7, 7, 7, 7], 'not loaded yet');
  tokens.importance = Float32Array.of(-5, 0, 5, 0);
  PAINT.importance(pixels, tokens, 0);
  assert.deepEqual([...pixels], [HEAT[0], HEAT[127], HEAT[255], 0]);
});

test('regions and their borders', () => {
  const tokens = fourTokens({}, OUTSIDE);
  tokens.useRegions(Uint32Array.of(1, 2, 1, 2));
  const pixels = new Uint32Array(4);
  PAINT.regions(pixels, tokens, 0);
  assert.deepEqual([...pixels], [regionPixel(1), regionPixel(2), regionPixel(1), 0]);
  const lines = new Uint32Array(16);
  outline(lines, { grid: 2, region: tokens.region, outside: new Uint8Array(4) }, 2);
  const marked = [...lines].map((pixel) => (pixel ? 1 : 0));
  assert.deepEqual(marked, [0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0], 'down the middle only');
  tokens.useRegions(Uint32Array.of(1, 1, 2, 2));
  outline(lines.fill(0), { grid: 2, region: tokens.region, outside: Uint8Array.of(0, 1, 0, 0) }, 2);
  assert.deepEqual(
    [...lines].flatMap((pixel, i) => (pixel ? [i] : [])),
    [4, 5],
    'not from padding',
  );
});

test('codes of fates in a compared picture', () => {
  const pixels = Uint32Array.of(0xff000000, 0xff010101, 0xff020202, 0xff030303, 0xff040404);
  colorFates(pixels);
  const { dropped, preserved, merged, padding } = FATE_PIXEL;
  assert.deepEqual([...pixels], [dropped, preserved, merged, padding, 0]);
});
