// A model's scales, tiles and tokens; `model` is the geometry that Python sends (app/constants.py).

import { sum } from './format.js';
import { imageTokens } from './places.js';

/** @typedef {import('./types.d.ts').Geometry} Geometry */

/**
 * Tokens a side of a scale.
 * @param {Geometry} model
 * @param {number} size
 */
export const gridOf = ({ tile, grid }, size) => (size / tile) * grid;

/**
 * Tokens of a scale.
 * @param {Geometry} model
 * @param {number} size
 */
export const tokensOf = (model, size) => gridOf(model, size) ** 2;

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
  sum(model.scales.map((size) => imageTokens(image, gridOf(model, size))));

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
