// Layers as pixels: what a token's fate, importance or region looks like, and the borders of the regions.

import { FATE_PIXEL, HEAT, ONLY_PIXEL, mergedPixel, regionPixel } from './colors.js';

/**
 * @typedef {import('./tokens.js').ScaleTokens} ScaleTokens
 * @typedef {Exclude<import('./types.d.ts').Layer, 'image'>} PaintedLayer
 */

const OUTLINE = 0xd0ffffff;
const BLACK = 0xff000000;
const LEAST = 3; // screen pixels a token is outlined with at least

/**
 * Each fills `pixels` (ABGR, one a token); padding is hatched or clear.
 * @type {Record<Exclude<PaintedLayer, 'importance'>, (pixels: Uint32Array, tokens: ScaleTokens, budget: number) => void>}
 */
export const PAINT = {
  /** What the model is given: preserved tokens are the picture itself, averages their mean colour, the rest is black. */
  seen(pixels, { rank, merged, outside, seen }, budget) {
    if (!seen) return;
    for (let i = 0; i < pixels.length; i++) {
      if (outside[i]) pixels[i] = 0;
      else pixels[i] = rank[i] > budget ? BLACK : merged[i] ? seen[i] : 0;
    }
  },
  /** Preserved tokens stay clear (outlines.js), averages are the stronger the more tokens they mix. */
  fate(pixels, { rank, merged, outside, unlooked, grid, sharing }, budget) {
    const { dropped, padding } = FATE_PIXEL;
    for (let i = 0; i < pixels.length; i++) {
      if (outside[i]) pixels[i] = !unlooked?.[i] && isHatched(i, grid) ? padding : 0;
      else pixels[i] = rank[i] > budget ? dropped : merged[i] ? mergedPixel(sharing[rank[i]]) : 0;
    }
  },
  regions(pixels, { region, outside }) {
    if (!region) return;
    for (let i = 0; i < pixels.length; i++) pixels[i] = outside[i] ? 0 : regionPixel(region[i]);
  },
};

/**
 * What only one of two selections preserves, in the colour of each; what both or neither do, of the image, is dimmed.
 * @param {Uint32Array} pixels
 * @param {[ScaleTokens, number]} a Tokens and their budget.
 * @param {[ScaleTokens, number]} b Of the same scale and image.
 */
export function paintDifference(pixels, [a, budgetA], [b, budgetB]) {
  for (let i = 0; i < pixels.length; i++) {
    const inA = !a.merged[i] && a.rank[i] <= budgetA;
    const inB = !b.merged[i] && b.rank[i] <= budgetB;
    if (a.outside[i]) pixels[i] = 0;
    else pixels[i] = inA === inB ? ONLY_PIXEL.neither : inA ? ONLY_PIXEL.a : ONLY_PIXEL.b;
  }
}

/**
 * Importance as heat: what is at the floor is clear, the rest the stronger the higher it stands.
 * @param {Uint32Array} pixels
 * @param {Float32Array} all Positions (heat.js).
 */
export function paintHeat(pixels, all) {
  for (let i = 0; i < pixels.length; i++) {
    const position = all[i];
    if (position < 0) pixels[i] = 0;
    else {
      const alpha = 110 + Math.round(145 * position);
      pixels[i] = ((HEAT[Math.round(255 * (0.25 + 0.75 * position))] & 0xffffff) | (alpha << 24)) >>> 0;
    }
  }
}

/**
 * Whether a token of padding is on a stripe of its hatching.
 * @param {number} index
 * @param {number} grid
 */
const isHatched = (index, grid) => (Math.floor(index / grid) + (index % grid)) % 6 < 2;

/**
 * Mark the inner border between neighbouring tokens of different regions; a token is `factor` pixels a side.
 * @param {Uint32Array} pixels
 * @param {{grid: number, region?: Uint32Array, outside: Uint8Array}} tokens
 * @param {number} factor
 */
export function outline(pixels, { grid, region, outside }, factor) {
  if (!region) return;
  const side = grid * factor;
  for (let row = 0; row < grid; row++) {
    for (let col = 0; col < grid; col++) {
      const index = row * grid + col;
      if (outside[index]) continue;
      const [right, below] = [(col + 1) * factor - 1, (row + 1) * factor - 1];
      if (col + 1 < grid && region[index] !== region[index + 1]) {
        for (let d = 0; d < factor; d++) pixels[(row * factor + d) * side + right] = OUTLINE;
      }
      if (row + 1 < grid && region[index] !== region[index + grid]) {
        for (let d = 0; d < factor; d++) pixels[below * side + col * factor + d] = OUTLINE;
      }
    }
  }
}

/**
 * The outline of a preserved token, as lines from its corner: its edges but those to preserved neighbours, so that what
 * is kept together has one outline. A token smaller than three screen pixels gets them around so much.
 * @param {number} index
 * @param {number} grid
 * @param {Uint8Array} mask 1 where a token is preserved.
 * @param {number} step Screen pixels that a token has.
 * @returns {[number, number, number, number][]}
 */
export function edgesOf(index, grid, mask, step) {
  const [row, col] = [Math.floor(index / grid), index % grid];
  const near = [
    row > 0 && mask[index - grid],
    col + 1 < grid && mask[index + 1],
    row + 1 < grid && mask[index + grid],
    col > 0 && mask[index - 1],
  ];
  const more = Math.max(0, LEAST + 1 - step) / 2;
  const [low, high] = [0 - more, step + more];
  /** @type {[number, number, number, number][]} */
  const all = [
    [low, low, high, low],
    [high, low, high, high],
    [low, high, high, high],
    [low, low, low, high],
  ];
  return all.filter((_edge, i) => !near[i]);
}
