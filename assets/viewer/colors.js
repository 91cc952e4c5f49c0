// Each colour means one thing everywhere. Those of fates and heat come from Python, which prints figures in them too.

import { CONSTANTS } from './constants.js';

const { heat: STOPS, ...fates } = CONSTANTS.colors;

/** As CSS colours. */
export const FATE = fates;

/**
 * One pixel as ImageData wants it: ABGR.
 * @param {string} hex #rrggbb
 * @param {number} alpha 0..255
 */
export function rgba(hex, alpha) {
  const n = parseInt(hex.slice(1), 16);
  return ((alpha << 24) | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
}

export const FATE_PIXEL = {
  preserved: rgba(FATE.preserved, 255),
  merged: rgba(FATE.merged, 100),
  dropped: rgba(FATE.dropped, 170),
  padding: rgba(FATE.padding, 90),
};

/** What only the left or the right of two settings preserves; as in explorer.css. */
export const ONLY_PIXEL = {
  a: rgba('#56b4e9', 235),
  b: rgba('#f0e442', 235),
  neither: rgba(FATE.dropped, 150),
};

const MANY = 300; // tokens in an average from which on it looks no stronger

/**
 * The shade of an average: three neighbours are faint, three hundred strong.
 * @param {number} size Tokens in it.
 */
export const mergedPixel = (size) => SHADES[Math.min(SHADES.length - 1, Math.round(shade(size) * 15))];

/** @param {number} size */
const shade = (size) => Math.min(1, Math.log(Math.max(size, 2) / 2) / Math.log(MANY / 2));
const SHADES = Array.from({ length: 16 }, (_shade, i) => rgba(fates.merged, 45 + Math.round((i * 160) / 15)));

/**
 * The colour at a position of a ramp of evenly spaced stops, as [red, green, blue].
 * @param {string[]} stops
 * @param {number} position 0..1; beyond, the nearest end.
 */
export function interpolate(stops, position) {
  const place = Math.min(Math.max(position, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  const [a, b] = [low, low + 1].map((i) => parseInt(stops[i].slice(1), 16));
  return [16, 8, 0].map((shift) => {
    const [from, to] = [(a >> shift) & 255, (b >> shift) & 255];
    return Math.round(from + (place - low) * (to - from));
  });
}

/** Heat map as 256 ABGR pixels. */
export const HEAT = Uint32Array.from({ length: 256 }, (_pixel, i) => {
  const [r, g, b] = interpolate(STOPS, i / 255);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
});

export const HEAT_CSS = `linear-gradient(90deg, ${STOPS.join(', ')})`;

// Neighbouring regions need different colours and nothing more: twelve calm ones.
const REGION = [
  '#8dd3c7',
  '#bebada',
  '#fb8072',
  '#80b1d3',
  '#fdb462',
  '#b3de69',
  '#fccde5',
  '#d9d9d9',
  '#bc80bd',
  '#ccebc5',
  '#ffed6f',
  '#1f9e89',
].map((hex) => rgba(hex, 200));

/** The same region has the same colour whenever it is drawn. @param {number} region */
export const regionPixel = (region) => REGION[(Math.imul(region + 1, 2654435761) >>> 0) % REGION.length];
