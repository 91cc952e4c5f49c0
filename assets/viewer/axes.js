// From values to places on a chart.

/**
 * A linear axis: the place of a value between `from` (at `low`) and `to` (at `high`).
 * @param {[low: number, high: number]} values
 * @param {[from: number, to: number]} places
 * @returns {(value: number) => number}
 */
export const linear =
  ([low, high], [from, to]) =>
  (value) =>
    from + ((to - from) * (value - low)) / (high - low || 1);

/**
 * The same for the values' logarithms.
 * @param {[low: number, high: number]} values
 * @param {[from: number, to: number]} places
 * @returns {(value: number) => number}
 */
export function logarithmic([low, high], places) {
  const at = linear([Math.log(low), Math.log(high)], places);
  return (value) => at(Math.log(value));
}

/**
 * The tenths around some shares, inside 0..1.
 * @param {number[]} shares
 * @returns {[low: number, high: number]}
 */
export const tenths = (shares) => [
  Math.max(0, Math.floor(Math.min(...shares) * 10) / 10),
  Math.min(1, Math.ceil(Math.max(...shares) * 10) / 10),
];

/**
 * Shares to draw a grid line at: every tenth, or every fifth where there would be too many.
 * @param {[low: number, high: number]} range
 */
export function gridShares([low, high]) {
  const step = high - low > 0.5 ? 0.2 : 0.1;
  return Array.from({ length: Math.floor((high - low) / step + 1e-9) + 1 }, (_share, i) => low + i * step);
}
