// What the line of each method looks like on the frontier: one colour and one dash everywhere.

/**
 * @typedef {import('./types.d.ts').MeasuredMethod} MeasuredMethod
 * @typedef {{color: string, dash: string}} Look
 */

// Fates keep blue and orange for themselves.
const COLORS = ['#009E73', '#CC79A7', '#D55E00', '#8F7CE0', '#A08A00', '#7A8794'];
const DASHES = { uhrbat: ['7 3', '2 3', '7 3 2 3 2 3'], baseline: ['', '8 3 2 3'] };

/**
 * The default alone has the page's accent, and only it and baselines are solid.
 * @param {Pick<MeasuredMethod, 'id' | 'family' | 'default'>[]} methods
 * @returns {Record<string, Look>} By method.
 */
export function looksOf(methods) {
  const seen = { uhrbat: 0, baseline: 0 };
  return Object.fromEntries(
    methods.map(({ id, family, default: isDefault }) => {
      if (isDefault) return [id, { color: 'var(--uhr-accent)', dash: '' }];
      const i = seen[family]++;
      const dashes = DASHES[family];
      const dash = dashes[Math.floor(i / COLORS.length) % dashes.length];
      return [id, { color: COLORS[i % COLORS.length], dash }];
    }),
  );
}

/** Whether a method is the released code's. @param {Pick<MeasuredMethod, 'importance' | 'regions' | 'order'>} method */
export const isReleased = ({ importance, regions, order }) =>
  importance === 'attention' && regions === 'kmeans' && order === 'mean';
