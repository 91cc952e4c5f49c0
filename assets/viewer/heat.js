// Importance as heat: one range for each kind, the same for every image and question; what is at the floor stays clear.

/**
 * @typedef {import('./types.d.ts').Importance} Importance
 * @typedef {{low: number, high: number, log: boolean}} Range
 * @typedef {'value' | 'rank'} HeatBy By the importance itself, or by the share of the scale's tokens that it outscores.
 */

const AT_FLOOR = 0.002; // of the range: what is no higher above the lowest importance is at the floor
const LEAST = 3; // screen pixels a token is shown with at least
export const BINS = 24;

/**
 * What the darkest and the brightest colour stand for. Similarity is a probability, fused adds up to a fifth to it,
 * attention is a share of all the attention, from an even share of it on.
 * @param {Importance} kind
 * @param {number} scored Tokens of the scale that was scored.
 * @returns {Range}
 */
export function rangeOf(kind, scored) {
  if (kind === 'attention') return { low: 1 / scored, high: 1, log: true };
  return { low: 0, high: kind === 'fused' ? 1.2 : 1, log: false };
}

/**
 * Where a value stands in a range, 0..1.
 * @param {number} value
 * @param {Range} range
 */
export function positionOf(value, { low, high, log }) {
  const share = log
    ? Math.log(Math.max(value, low) / low) / Math.log(high / low)
    : (value - low) / (high - low);
  return Math.min(1, Math.max(0, share));
}

/**
 * Where every token stands, 0..1; -1 where it is at the floor, or padding.
 * @param {{importance: Float32Array, outside: Uint8Array}} tokens
 * @param {Range} range
 * @param {HeatBy} by
 */
export function positions({ importance, outside }, range, by) {
  const inside = importance.filter((_value, i) => !outside[i]).sort();
  const floor = positionOf(inside[0] ?? 0, range) + AT_FLOOR;
  return importance.map((value, i) => {
    const position = positionOf(value, range);
    if (outside[i] || position <= floor) return -1;
    return by === 'rank' ? below(inside, value) / inside.length : position;
  });
}

/**
 * How many of ascending values are below a value.
 * @param {Float32Array} values
 * @param {number} value
 */
function below(values, value) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * How many tokens share a place on the screen, a side, so that each place is at least three screen pixels.
 * @param {number} pixels Of the screen that a token has.
 */
export const poolFactor = (pixels) => Math.max(1, Math.ceil(LEAST / pixels));

/**
 * The highest position of every `factor` x `factor` tokens, so that a single one is still seen from afar.
 * @param {Float32Array} all Positions.
 * @param {number} grid
 * @param {number} factor
 */
export function pooled(all, grid, factor) {
  if (factor === 1) return all;
  const side = Math.ceil(grid / factor);
  const out = new Float32Array(side * side).fill(-1);
  for (let i = 0; i < all.length; i++) {
    const place = Math.floor(Math.floor(i / grid) / factor) * side + Math.floor((i % grid) / factor);
    if (all[i] > out[place]) out[place] = all[i];
  }
  return out;
}

/**
 * How the tokens above the floor are spread over the range, and which share of the image's tokens is at the floor.
 * @param {Float32Array} all Positions.
 * @param {Uint8Array} outside
 */
export function spread(all, outside) {
  const bins = new Uint32Array(BINS);
  let [floor, count] = [0, 0];
  for (let i = 0; i < all.length; i++) {
    if (outside[i]) continue;
    count++;
    if (all[i] < 0) floor++;
    else bins[Math.min(BINS - 1, Math.floor(all[i] * BINS))]++;
  }
  return { bins, floor: count ? floor / count : 0 };
}
