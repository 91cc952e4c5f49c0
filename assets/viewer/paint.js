// Layers as pixels: what a token's fate, importance or region looks like, and the borders of the regions.

import { FATE_PIXEL, HEAT, regionPixel } from './colors.js';

/**
 * @typedef {import('./tokens.js').ScaleTokens} ScaleTokens
 * @typedef {Exclude<import('./types.d.ts').Layer, 'image'>} PaintedLayer
 */

const OUTLINE = 0xd0ffffff;

/**
 * Each fills `pixels` (ABGR, one a token); padding is hatched or clear.
 * @type {Record<PaintedLayer, (pixels: Uint32Array, tokens: ScaleTokens, budget: number) => void>}
 */
export const PAINT = {
  fate(pixels, { rank, merged, outside, grid }, budget) {
    const { preserved, merged: average, dropped, padding } = FATE_PIXEL;
    for (let i = 0; i < pixels.length; i++) {
      if (outside[i]) pixels[i] = isHatched(i, grid) ? padding : 0;
      else pixels[i] = rank[i] > budget ? dropped : merged[i] ? average : preserved;
    }
  },
  importance(pixels, { source, importance, outside }) {
    if (!importance) return;
    const [low, high] = source.stretch;
    const scale = 255 / (high - low || 1);
    for (let i = 0; i < pixels.length; i++) {
      const value = (importance[i] - low) * scale;
      pixels[i] = outside[i] ? 0 : HEAT[value < 0 ? 0 : value > 255 ? 255 : value | 0];
    }
  },
  regions(pixels, { region, outside }) {
    if (!region) return;
    for (let i = 0; i < pixels.length; i++) pixels[i] = outside[i] ? 0 : regionPixel(region[i]);
  },
};

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
