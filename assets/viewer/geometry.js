// A model's scales, tiles and tokens; `model` is the geometry that Python sends (app/constants.py).

import { sum } from './format.js';
import { imageCells, imageTokens } from './places.js';

/** @typedef {import('./types.d.ts').Geometry} Geometry */

/**
 * Tokens a side of a scale.
 * @param {Geometry} model
 * @param {number} size
 */
export const gridOf = ({ tile, grid }, size) => (size / tile) * grid;

/**
 * Of a native scale the tiles that were looked at, row by row; null where the whole scale is encoded.
 * @param {Geometry} model
 * @param {number} size
 */
export const lookedAt = ({ looked }, size) => looked?.[size] ?? null;

/**
 * Tokens of a scale: those of the tiles that are encoded.
 * @param {Geometry} model
 * @param {number} size
 */
export const tokensOf = (model, size) => {
  const tiles = lookedAt(model, size);
  return tiles ? tiles.length * model.grid ** 2 : gridOf(model, size) ** 2;
};

/** Side of a token in pixels of its scale. @param {Geometry} model */
export const patchOf = ({ tile, grid }) => Math.round(tile / grid);

/**
 * Tokens of all scales.
 * @param {Geometry} model
 */
export const tokensOfAll = (model) => sum(model.scales.map((size) => tokensOf(model, size)));

/**
 * Tokens of all scales that show something of the image; of all where there is none.
 * @param {Geometry} model
 * @param {import('./places.js').Placed | null} image
 */
export const tokensOfImage = (model, image) =>
  sum(model.scales.map((size) => imageTokensOf(model, image, size)));

/**
 * Tokens of a scale that show something of the image.
 * @param {Geometry} model
 * @param {import('./places.js').Placed | null} image
 * @param {number} size
 */
export function imageTokensOf(model, image, size) {
  const tiles = lookedAt(model, size);
  if (!tiles) return imageTokens(image, gridOf(model, size));
  if (!image) return tokensOf(model, size);
  const { rows, cols } = imageCells(image, gridOf(model, size));
  /**
   * @param {number} at Of a tile.
   * @param {[number, number]} ends
   */
  const within = (at, [first, last]) =>
    Math.max(0, Math.min(last + 1, (at + 1) * model.grid) - Math.max(first, at * model.grid));
  const side = size / model.tile;
  return sum(tiles.map((tile) => within(Math.floor(tile / side), rows) * within(tile % side, cols)));
}

/**
 * The square that an image is shown to the model in: its side, and where the image's top left corner is, in image
 * pixels (uhrbat/geometry.py: Square).
 * @param {Geometry} model
 * @param {Pick<import('./places.js').Placed, 'width' | 'height'>} image
 * @returns {{side: number, offset: [number, number]}}
 */
export function squareOf({ least = 0 }, { width, height }) {
  const side = Math.max(width, height, least);
  return { side, offset: [Math.floor((side - width) / 2), Math.floor((side - height) / 2)] };
}

/**
 * Sides of the scales beyond the model's own, up to the image's (uhrbat/geometry.py: Square.native_sizes).
 * @param {Geometry} model
 * @param {Pick<import('./places.js').Placed, 'side'> | null} image
 */
export function nativeSizes(model, image) {
  const { scales, tile } = model.whole ?? model;
  const sizes = [scales[scales.length - 1]];
  if (!image) return [];
  const own = Math.floor(image.side / tile) * tile;
  while (sizes[sizes.length - 1] * 2 <= own) sizes.push(sizes[sizes.length - 1] * 2);
  if (own * 4 > sizes[sizes.length - 1] * 5) sizes.push(own);
  return sizes.slice(1);
}

/**
 * The scale of fewest tokens.
 * @param {Geometry} model
 */
export const coarsest = ({ scales }) => scales[0];

/**
 * The scale of most tokens.
 * @param {Geometry} model
 */
export const finest = ({ scales }) => scales[scales.length - 1];
