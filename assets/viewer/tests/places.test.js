import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  boxBetween,
  cellsOf,
  fits,
  imageTokens,
  mapText,
  meantObject,
  objectAt,
  placeName,
  padding,
  tokenAt,
  tokenBox,
  wholePixels,
} from '../places.js';
import { describe } from '../readout.js';
import { barOf } from '../scalebar.js';
import { get } from '../store.js';
import { IMAGE, fourTokens } from './made.js';

/** @type {import('../types.d.ts').Place} */
const PLACE = {
  crs: 'EPSG:32633',
  transform: null,
  lattice: null,
  degrees: false,
  decimals: null,
  accuracy: '',
};

test('the token under a position, padding counted', () => {
  assert.deepEqual(tokenAt({ x: 0, y: 0 }, IMAGE, 10), [2, 0]);
  assert.deepEqual(tokenAt({ x: 999, y: 599 }, IMAGE, 10), [7, 9]);
  assert.deepEqual(tokenAt({ x: -50, y: 5000 }, IMAGE, 10), [9, 0], 'outside: the nearest');
});

test('the tokens that a box touches, whatever the grid', () => {
  assert.deepEqual(
    cellsOf([0, 0, 100, 100], IMAGE, 10),
    { rows: [2, 2], cols: [0, 0] },
    'an edge is no touch',
  );
  assert.deepEqual(cellsOf([99, 40, 201, 100.5], IMAGE, 10), { rows: [2, 3], cols: [0, 2] });
  assert.deepEqual(cellsOf([99, 40, 201, 100.5], IMAGE, 8), { rows: [1, 2], cols: [0, 1] });
  assert.deepEqual(cellsOf([900, 500, 1200, 700], IMAGE, 8), { rows: [5, 7], cols: [7, 7] });
});

test('a token’s box, cut at the edge of the image', () => {
  assert.deepEqual(tokenBox([2, 0], IMAGE, 10), [0, 0, 100, 100]);
  assert.deepEqual(tokenBox([3, 3], IMAGE, 4), [750, 550, 1000, 600]);
  assert.deepEqual(tokenBox([0, 1], IMAGE, 4), [250, 0, 500, 50]);
});

test('every token’s box has the token at its centre', () => {
  for (const token of /** @type {[number, number][]} */ ([
    [2, 0],
    [4, 7],
    [7, 9],
  ])) {
    const [x0, y0, x1, y1] = tokenBox(token, IMAGE, 10);
    assert.deepEqual(tokenAt({ x: (x0 + x1) / 2, y: (y0 + y1) / 2 }, IMAGE, 10), token);
  }
});

test('padding is what shows nothing of the image, as the library counts it', () => {
  const outside = padding(IMAGE, 10);
  const rows = Array.from({ length: 10 }, (_row, i) => outside[i * 10]);
  assert.deepEqual(rows, [1, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
  assert.equal(
    outside.reduce((a, b) => a + b),
    40,
  );
  assert.equal(imageTokens(IMAGE, 10), 60);
  assert.equal(imageTokens(null, 10), 100);
  const thin = { width: 1000, height: 10, side: 1000, offset: /** @type {[number, number]} */ ([0, 495]) };
  assert.equal(imageTokens(thin, 10), 20, 'a row touched by half a token is the image’s');
  assert.equal(
    padding(thin, 10).reduce((a, b) => a + b),
    80,
  );
});

test('boxes between corners, on whole pixels, inside the image', () => {
  assert.deepEqual(boxBetween({ x: 5, y: 1 }, { x: 2, y: 9 }), [2, 1, 5, 9]);
  assert.deepEqual(wholePixels([1.2, 3.9, 4.1, 4.0], IMAGE), [1, 3, 5, 4]);
  assert.deepEqual(wholePixels([7, 7, 7, 7], IMAGE), [7, 7, 8, 8], 'at least a pixel');
  assert.deepEqual(wholePixels([1000, 600, 1000, 600], IMAGE), [999, 599, 1000, 600]);
  assert.equal(fits([0, 0, 1000, 600], IMAGE), true);
  for (const wrong of /** @type {import('../types.d.ts').Box[]} */ ([
    [0, 0, 1001, 600],
    [5, 0, 5, 6],
    [-1, 0, 5, 6],
    [0, 6, 5, 5],
    [NaN, 0, 5, 6],
  ])) {
    assert.equal(fits(wrong, IMAGE), false);
  }
});

test('map coordinates to a tenth of a pixel', () => {
  /** @type {import('../types.d.ts').ImageValue['place']} */
  const metres = { ...PLACE, transform: [0.5, 0, 500_000, 0, -0.5, 4_649_776] };
  assert.equal(mapText(100, 50, { ...IMAGE, place: metres }), '500,050.00 4,649,751.00');
  /** @type {import('../types.d.ts').ImageValue['place']} */
  const degrees = { ...PLACE, crs: 'EPSG:4326', degrees: true, transform: [1e-5, 0, 12, 0, -1e-5, 45] };
  assert.equal(mapText(1, 1, { ...IMAGE, place: degrees }), '12.000010 44.999990');
  assert.equal(mapText(1, 1, { ...IMAGE, place: null }), '');
  assert.equal(placeName(metres), 'EPSG:32633');
});

test('a curved place is read between the positions of its lattice, in no more digits than are known', () => {
  /** @type {[number, number][][]} */
  const lattice = [
    [[10, 50], [11, 50], [13, 50]],
    [[10, 49], [11, 49], [13, 49]],
  ]; // prettier-ignore
  const place = { ...PLACE, crs: 'EPSG:4326', degrees: true, lattice, decimals: 3, accuracy: '±40 m' };
  assert.equal(mapText(0, 0, { ...IMAGE, place }), '10.000 50.000');
  assert.equal(mapText(250, 300, { ...IMAGE, place }), '10.500 49.500');
  assert.equal(mapText(750, 600, { ...IMAGE, place }), '12.000 49.000');
  assert.equal(mapText(1000, 0, { ...IMAGE, place }), '13.000 50.000');
  const east = { ...place, lattice: lattice.map((row) => row.map(([x, y]) => [x + 170, y])) };
  assert.equal(mapText(1000, 0, { ...IMAGE, place: /** @type {typeof place} */ (east) }), '-177.000 50.000');
  assert.equal(placeName(place), 'EPSG:4326 ±40 m');
});

test('the line for the pointer says only what is known', () => {
  const { model } = get();
  const empty = { image: null, tokens: null, scale: 672, maps: null, model };
  assert.equal(describe({ x: 1, y: 1 }, empty, []), '');
  const bare = { ...empty, image: IMAGE };
  assert.equal(describe({ x: 1000, y: 1 }, bare, []), '', 'the right edge is outside');
  assert.equal(describe({ x: 0, y: 0 }, bare, []), 'x 0 y 0 · scale 672 token (9, 0)');
  const own = fourTokens({ size: 28 });
  const asked = {
    ...bare,
    scale: 28,
    model: { scales: [28], tile: 28, grid: 2, shares: '' },
    tokens: new Map([[28, own]]),
    maps: { id: 'm', question: '', importance: /** @type {const} */ ('similarity'), scales: [own.source] },
  };
  assert.equal(
    describe({ x: 900, y: 100 }, asked, [2]),
    'x 900 y 100 · scale 28 token (0, 1) · rank 2 · merged',
  );
  own.importance = Float32Array.of(0, 0, 0, 0.25);
  assert.match(describe({ x: 900, y: 500 }, asked, [2]), /importance 0\.250 · never enters · dropped$/);
});

test('the scale bar is 1, 2 or 5 of a power of ten', () => {
  assert.deepEqual(barOf(1, 110), { width: 100, text: '100 m' });
  assert.deepEqual(barOf(0.5, 110), { width: 100, text: '50 m' });
  assert.equal(barOf(30, 110).text, '2 km');
  assert.equal(barOf(0.003, 110).text, '0.2 m');
  for (const metres of [0.01, 0.7, 3, 44, 1234]) {
    const { width } = barOf(metres, 110);
    assert.ok(width <= 110.001 && width > 110 / 2.6);
  }
});

test('a loosely drawn box is that of the object it is meant for', () => {
  const car = { box: /** @type {import('../types.d.ts').Box} */ ([100, 100, 105, 103]) };
  const ship = { box: /** @type {import('../types.d.ts').Box} */ ([300, 100, 340, 120]) };
  const objects = [car, ship];
  assert.equal(meantObject([99, 99, 106, 104], objects), car);
  assert.equal(meantObject([95, 95, 110, 108], objects), car, 'five pixels looser');
  assert.equal(meantObject([60, 60, 160, 160], objects), null, 'far larger: a region, not the car');
  assert.equal(meantObject([90, 90, 350, 130], objects), null, 'two objects');
  assert.equal(meantObject([200, 200, 210, 210], objects), null);
});

test('a click takes the nearest object within reach', () => {
  const car = { box: /** @type {import('../types.d.ts').Box} */ ([100, 100, 105, 103]) };
  assert.equal(objectAt({ x: 102, y: 101 }, [car], 0), car);
  assert.equal(objectAt({ x: 110, y: 101 }, [car], 5), car);
  assert.equal(objectAt({ x: 111, y: 101 }, [car], 5), null);
  assert.equal(objectAt({ x: 1, y: 1 }, [], 50), null);
});
