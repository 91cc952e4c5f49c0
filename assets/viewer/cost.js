// What a budget costs the language model, in words.

import { bytes, seconds } from './format.js';

/**
 * @param {import('./types.d.ts').Cost | null} cost
 * @param {number} total Tokens.
 */
export function costParts(cost, total) {
  if (!cost) return [];
  const { model, device, tokens_per_second: speed, bytes_per_token: size } = cost;
  const parts = [
    model,
    speed ? `≈ ${seconds(total / speed)} prefill` : 'prefill time: known after its first answer',
    size ? `${bytes(total * size)} cache` : null,
    device,
  ];
  return parts.filter(Boolean);
}
