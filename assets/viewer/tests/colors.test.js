import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FATE, FATE_PIXEL, HEAT, HEAT_CSS, interpolate, mergedPixel, regionPixel, rgba } from '../colors.js';
import { colorFates } from '../compare.js';
import { pooled, poolFactor, positionOf, positions, rangeOf, spread } from '../heat.js';
import { PAINT, edgesOf, outline, paintHeat } from '../paint.js';
import { groupColors, zoomFor } from '../tokencolors.js';
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

test('fates are painted at a budget: preserved stays clear, padding is hatched', () => {
  const pixels = new Uint32Array(4);
  PAINT.fate(pixels, fourTokens({}, OUTSIDE), 1);
  const { dropped } = FATE_PIXEL;
  assert.deepEqual([...pixels], [0, dropped, dropped, 0]);
  PAINT.fate(pixels, fourTokens({}, OUTSIDE), 2);
  assert.deepEqual([...pixels], [0, mergedPixel(2), mergedPixel(2), 0]);
});

test('an average is the stronger the more tokens it mixes', () => {
  const alpha = [2, 3, 30, 300, 9000].map((size) => mergedPixel(size) >>> 24);
  assert.ok(alpha[0] < alpha[2] && alpha[2] < alpha[3], String(alpha));
  assert.equal(alpha[3], alpha[4]);
});

test('what the model sees: the picture, averages in their mean colour, black', () => {
  const tokens = fourTokens({}, OUTSIDE);
  const pixels = new Uint32Array(4).fill(7);
  PAINT.seen(pixels, tokens, 1);
  assert.deepEqual([...pixels], [7, 7, 7, 7], 'not loaded yet');
  tokens.seen = groupColors(tokens, Uint32Array.of(0xff000000, 0xff0000ff, 0xff000001, 0xffffffff));
  PAINT.seen(pixels, tokens, 1);
  assert.deepEqual([...pixels], [0, 0xff000000, 0xff000000, 0]);
  PAINT.seen(pixels, tokens, 2);
  assert.deepEqual([...pixels], [0, 0xff000080, 0xff000080, 0], 'the mean of 255 and 1');
});

test('each kind of importance has one range, whatever the picture', () => {
  assert.deepEqual(rangeOf('similarity', 2304), { low: 0, high: 1, log: false });
  const attention = rangeOf('attention', 2304);
  assert.equal(positionOf(1 / 2304, attention), 0);
  assert.equal(positionOf(1e-9, attention), 0);
  assert.equal(positionOf(1, attention), 1);
  assert.ok(Math.abs(positionOf(1 / 48, attention) - 0.5) < 0.01, 'logarithmic');
  assert.equal(positionOf(1.2, rangeOf('fused', 4)), 1);
});

test('the floor is clear, and a picture of noise does not look like signal', () => {
  const noise = { importance: Float32Array.of(0.1, 0.1, 0.12, 0.87), outside: new Uint8Array(4) };
  const all = positions(noise, rangeOf('similarity', 4), 'value');
  assert.deepEqual([all[0], all[1]], [-1, -1]);
  assert.ok(all[2] < 0.13 && all[3] > 0.86, 'not stretched');
  const pixels = new Uint32Array(4);
  paintHeat(pixels, all);
  assert.deepEqual([pixels[0], pixels[1]], [0, 0]);
  assert.ok(pixels[2] >>> 24 < pixels[3] >>> 24);
  assert.deepEqual([...positions(noise, rangeOf('similarity', 4), 'rank')], [-1, -1, 0.5, 0.75]);
  const padded = positions(
    { ...noise, outside: Uint8Array.of(1, 0, 0, 1) },
    rangeOf('similarity', 4),
    'rank',
  );
  assert.deepEqual([...padded], [-1, -1, 0.5, -1]);
  assert.equal(spread(all, noise.outside).floor, 0.5);
  assert.equal(spread(all, Uint8Array.of(0, 1, 0, 0)).floor, 1 / 3, 'padding is not counted');
});

test('a token is three screen pixels wide from afar', () => {
  assert.deepEqual([1.7, 3, 14, 0.5].map(poolFactor), [2, 1, 1, 6]);
  const all = Float32Array.of(-1, -1, 0.2, -1, 0.9, -1, -1, -1, 0.1);
  assert.deepEqual([...pooled(all, 3, 1)], [...all]);
  assert.deepEqual(
    [...pooled(all, 3, 2)].map((value) => +value.toFixed(1)),
    [0.9, 0.2, -1, 0.1],
  );
});

test('what is kept together has one outline, and a small token one of three pixels', () => {
  const mask = Uint8Array.of(1, 1, 0, 0);
  assert.deepEqual(edgesOf(0, 2, mask, 20), [
    [0, 0, 20, 0],
    [0, 20, 20, 20],
    [0, 0, 0, 20],
  ]);
  const alone = edgesOf(0, 2, Uint8Array.of(1, 0, 0, 1), 1);
  assert.equal(alone.length, 4);
  assert.deepEqual(alone[0], [-1.5, -1.5, 2.5, -1.5], 'three pixels and the line');
});

test('the picture that is read is at least a pixel a token', () => {
  assert.equal(zoomFor({ side: 4096, max_zoom: 4 }, 288), 1);
  assert.equal(zoomFor({ side: 4096, max_zoom: 4 }, 48), 0);
  assert.equal(zoomFor({ side: 100, max_zoom: 0 }, 288), 0);
  assert.equal(zoomFor({ side: 60000, max_zoom: 8 }, 288), 1);
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
