// Native scales: their tiles, how many of them can be looked at, and what that takes.

import { sum } from './format.js';
import { nativeSizes } from './geometry.js';
import { boxCells } from './places.js';

/**
 * @typedef {import('./types.d.ts').Cost} Cost
 * @typedef {import('./types.d.ts').Geometry} Geometry
 * @typedef {import('./types.d.ts').ImageValue} ImageValue
 */

const STEPS = [0, 16, 32, 64, 128, 256, 512, 1024];

/**
 * How many looks there are to choose from; none where nothing is beyond the finest scale.
 * @param {number} tiles Of the native scales.
 * @param {number | null | undefined} most That one question may take.
 */
export function choices(tiles, most) {
  const limit = Math.min(tiles, most ?? 0);
  if (!limit) return [];
  return [...STEPS.filter((step) => step < limit), limit];
}

/**
 * Tiles of the native scales that show something of the image.
 * @param {Geometry} model
 * @param {ImageValue | null} image
 */
export function tilesOf(model, image) {
  if (!image) return 0;
  const box = /** @type {import('./types.d.ts').Box} */ ([0, 0, image.width, image.height]);
  return sum(
    nativeSizes(model, image).map((size) => {
      const { rows, cols } = boxCells(box, image, size / model.tile);
      return (rows[1] - rows[0] + 1) * (cols[1] - cols[0] + 1);
    }),
  );
}

/**
 * Seconds that so many looks take at most: one pass over the file, and encoding each tile; null while that is not known.
 * @param {Cost | null} cost
 * @param {Pick<ImageValue, 'width' | 'height'>} image
 * @param {number} looks
 */
export function lookSeconds(cost, { width, height }, looks) {
  const { tile_seconds: tile, megapixel_seconds: megapixel } = cost ?? {};
  return tile == null || megapixel == null ? null : looks * tile + ((width * height) / 1e6) * megapixel;
}

/**
 * The box of a scale's tile in image pixels.
 * @param {number} tile
 * @param {number} across Tiles a side.
 * @param {Pick<import('./types.d.ts').ImageValue, 'side' | 'offset'>} image
 * @returns {import('./types.d.ts').Box}
 */
export function tileBox(tile, across, { side, offset: [x, y] }) {
  const step = side / across;
  const [left, top] = [(tile % across) * step - x, Math.floor(tile / across) * step - y];
  return [left, top, left + step, top + step];
}
