// The image itself in the browser: the colour of every token, taken from the viewer's tiles.

import { CONSTANTS } from './constants.js';
import { url } from './dom.js';

/** @typedef {import('./types.d.ts').ImageValue} ImageValue */

const TILE = CONSTANTS.image_tile;
/** @type {{key: string, colors: Promise<Uint32Array>}[]} The last ones, which a visitor goes back to. */
const kept = [];
const MOST_KEPT = 4;

/**
 * Each token's colour (ABGR), the mean of the image under it; black beside the image.
 * @param {ImageValue} image
 * @param {number} grid
 */
export function tokenColors(image, grid) {
  const key = `${image.id}/${image.side}/${grid}`;
  const known = kept.find((each) => each.key === key);
  if (known) return known.colors;
  const colors = read(image, grid);
  kept.push({ key, colors });
  if (kept.length > MOST_KEPT) kept.shift();
  colors.catch(() => kept.splice(0)); // what could not be loaded is asked for again
  return colors;
}

/**
 * The zoom whose picture of the square is at least a pixel a token.
 * @param {Pick<ImageValue, 'side' | 'max_zoom'>} image
 * @param {number} grid
 */
export const zoomFor = ({ side, max_zoom: deepest }, grid) =>
  Math.max(0, Math.min(deepest, deepest - Math.floor(Math.log2(side / grid))));

/**
 * @param {ImageValue} image
 * @param {number} grid
 */
async function read(image, grid) {
  const zoom = zoomFor(image, grid);
  const step = 2 ** (image.max_zoom - zoom); // image pixels a tile's pixel
  const context = new OffscreenCanvas(grid, grid).getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('this browser draws no canvas');
  context.fillRect(0, 0, grid, grid);
  context.imageSmoothingQuality = 'high';
  const factor = grid / image.side;
  const [left, top] = image.offset.map((value) => value * factor);
  context.beginPath();
  context.rect(left, top, image.width * factor, image.height * factor);
  context.clip();
  const places = [];
  for (let y = 0; y * TILE * step < image.height; y++) {
    for (let x = 0; x * TILE * step < image.width; x++) places.push([x, y]);
  }
  const side = TILE * step * factor;
  await Promise.all(
    places.map(async ([x, y]) => {
      const path = image.tiles
        .replace('{z}', String(zoom))
        .replace('{x}', String(x))
        .replace('{y}', String(y));
      const response = await fetch(url(path));
      if (!response.ok) throw new Error(`${response.status} ${path}`);
      const tile = await createImageBitmap(await response.blob());
      context.drawImage(tile, left + x * side, top + y * side, side, side);
    }),
  );
  return new Uint32Array(context.getImageData(0, 0, grid, grid).data.buffer);
}

/**
 * What the model sees of every token that is averaged: the mean colour of its group, opaque (ABGR).
 * @param {{rank: Uint32Array, merged: Uint8Array}} tokens Those of one group share a rank.
 * @param {Uint32Array} colors Of the tokens.
 */
export function groupColors({ rank, merged }, colors) {
  const groups = rank.reduce((most, each) => Math.max(most, each), 0) + 1;
  const sums = new Float64Array(groups * 4);
  for (let i = 0; i < rank.length; i++) {
    if (!merged[i]) continue;
    const at = rank[i] * 4;
    sums[at] += colors[i] & 255;
    sums[at + 1] += (colors[i] >> 8) & 255;
    sums[at + 2] += (colors[i] >> 16) & 255;
    sums[at + 3]++;
  }
  return colors.map((own, i) => {
    if (!merged[i]) return own;
    const at = rank[i] * 4;
    const [red, green, blue] = [0, 1, 2].map((channel) => Math.round(sums[at + channel] / sums[at + 3]));
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}
