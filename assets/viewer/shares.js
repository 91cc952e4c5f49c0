// How a total budget is shared among the scales: arithmetic on the order in which Python gives tokens to scales.

/**
 * For each scale, how many of the first n tokens of a total budget are its own, for n from 0 on.
 * @param {Uint8Array} owners The scale (0, 1, ...) that each token of a growing budget goes to.
 * @param {number} scales
 */
export function cumulate(owners, scales) {
  return Array.from({ length: scales }, (_scale, scale) => {
    const counts = new Uint32Array(owners.length + 1);
    for (let i = 0; i < owners.length; i++) counts[i + 1] = counts[i] + (owners[i] === scale ? 1 : 0);
    return counts;
  });
}

/**
 * Tokens for each scale; a total out of range counts as the nearest in range.
 * @param {Uint32Array[]} shares
 * @param {number} total
 */
export const splitBy = (shares, total) =>
  shares.map((counts) => counts[Math.max(0, Math.min(total, counts.length - 1))]);

/**
 * @param {ArrayLike<number> | null | undefined} a
 * @param {ArrayLike<number> | null | undefined} b
 */
export const sameBudgets = (a, b) =>
  Boolean(a && b && a.length === b.length && Array.from(a).every((value, i) => value === b[i]));
