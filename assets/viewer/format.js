// Numbers as the page writes them.

/** @param {number} value */
export const count = (value) => Math.round(value).toLocaleString('en-US');

/**
 * @param {number} share 0..1
 * @param {number} [digits]
 */
export function percent(share, digits = 1) {
  const least = 10 ** -digits;
  return share > 0 && 100 * share < least / 2 ? `less than ${least} %` : `${(100 * share).toFixed(digits)} %`;
}

/** @param {number} value */
export function seconds(value) {
  if (value < 0.0995) return `${Math.round(value * 1000)}\u00a0ms`;
  if (value < 9.95) return `${value.toFixed(1)}\u00a0s`;
  return value < 90 ? `${Math.round(value)}\u00a0s` : `${(value / 60).toFixed(1)}\u00a0min`;
}

/** @param {number} value */
export function bytes(value) {
  if (value < 1e6) return `${Math.round(value / 1e3)} KB`;
  return value < 1e9 ? `${Math.round(value / 1e6)} MB` : `${(value / 1e9).toFixed(1)} GB`;
}

/** A length in pixels, with a decimal below ten. @param {number} value */
export const pixels = (value) => `${value < 10 ? value.toFixed(1) : count(value)} px`;

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** A difference of shares in percentage points, with its sign. @param {number} value */
export const points = (value) =>
  `${value > 0 ? '+' : value < 0 ? '−' : ''}${(100 * Math.abs(value)).toFixed(1)}`;

/** @param {number[]} values */
export const sum = (values) => values.reduce((a, b) => a + b, 0);

/** The different values, ascending. @param {number[]} values */
export const distinct = (values) => [...new Set(values)].sort((a, b) => a - b);
