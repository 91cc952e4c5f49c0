// Token maps travel as PNGs of one pixel a token, a number in each pixel's red, green and blue (app/overlays.py).

import { CONSTANTS } from './constants.js';
import { url } from './dom.js';

const { merged_bit: MERGED_BIT, headroom: HEADROOM } = CONSTANTS.maps;

/**
 * The 24-bit numbers of a map.
 * @param {string} path
 */
export async function numbers(path) {
  const response = await fetch(url(path));
  if (!response.ok) throw new Error(`${response.status} ${path}`);
  const options = /** @type {const} */ ({ colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  const bitmap = await createImageBitmap(await response.blob(), options);
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d', {
    willReadFrequently: true,
  });
  if (!context) throw new Error('this browser draws no canvas');
  context.drawImage(bitmap, 0, 0);
  return unpack(new Uint32Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer));
}

/**
 * ABGR pixels to the numbers whose bytes are their red, green and blue.
 * @param {Uint32Array} pixels
 */
export const unpack = (pixels) => pixels.map((p) => ((p & 255) << 16) | (p & 0xff00) | ((p >> 16) & 255));

/**
 * A map of ranks: each token's rank, and 1 where it is part of an average.
 * @param {Uint32Array} values
 */
export const unpackRanks = (values) => ({
  rank: values.map((value) => value & (MERGED_BIT - 1)),
  merged: Uint8Array.from(values, (value) => (value & MERGED_BIT ? 1 : 0)),
});

/**
 * A map of importances, in the model's own units.
 * @param {Uint32Array} values
 * @param {{low: number, high: number}} range What the smallest and the largest number stand for.
 */
export const unpackImportances = (values, { low, high }) =>
  Float32Array.from(values, (value) => low + (value / HEADROOM) * (high - low));
