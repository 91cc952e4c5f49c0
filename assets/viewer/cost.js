// What a budget costs the language model, in words.

import { bytes, seconds } from './format.js';

/**
 * Seconds in which a model reads so many tokens; null while its speed is not known.
 * @param {Pick<import('./types.d.ts').Cost, 'tokens_per_second' | 'overhead_seconds'> | null} cost
 * @param {number} total Tokens.
 */
export const readSeconds = (cost, total) =>
  cost?.tokens_per_second ? cost.overhead_seconds + total / cost.tokens_per_second : null;

/**
 * @param {import('./types.d.ts').Cost | null} cost
 * @param {number} total Tokens.
 */
export function costParts(cost, total) {
  if (!cost) return [];
  const { model, device, bytes_per_token: size } = cost;
  const takes = readSeconds(cost, total);
  const parts = [
    takes == null ? 'time to read: known after the first answer' : `about ${seconds(takes)} to read`,
    size ? `${bytes(total * size)} of memory` : null,
  ];
  const where = [model, device].filter(Boolean).join(', ');
  return [`${parts.filter(Boolean).join(', ')} (${where})`];
}
