// Made-up values for tests.

import { ScaleTokens } from '../tokens.js';

const MERGED = 1 << 23;

/**
 * A scale of 2 x 2 tokens: one preserved from budget 1 on, two averaged from budget 2 on, one that never enters.
 * @param {Partial<import('../types.d.ts').ScaleSource>} [changes]
 * @param {Uint8Array} [outside] Which of them are padding.
 */
export function fourTokens(changes = {}, outside = new Uint8Array(4)) {
  const source = {
    size: 28,
    grid: 2,
    tokens: 4,
    scored: true,
    low: -1,
    high: 1,
    rank: '',
    importance: '',
    region: '',
    ...changes,
  };
  return new ScaleTokens(source, Uint32Array.of(1, 2 | MERGED, 2 | MERGED, 5), outside);
}

/**
 * A wide image in its square: 1000 x 600, with 200 pixels of padding above and below.
 * @type {import('../types.d.ts').ImageValue}
 */
export const IMAGE = {
  id: 'an-id',
  example: 'airfield',
  title: 'Airfield',
  address: null,
  caption: null,
  width: 1000,
  height: 600,
  side: 1000,
  offset: [0, 200],
  max_zoom: 2,
  tiles: 'tile/an-id/{z}/{x}/{y}.jpg',
  notes: [],
  metres_per_pixel: null,
  place: null,
  picture: {
    summary: 'Shown as it is',
    notes: [],
    chosen: {},
    names: ['red', 'green', 'blue'],
    shown: [1, 2, 3],
    mode: 'rgb',
    limits: null,
    whole: true,
    gamma: 1,
    nodata: null,
    page: 1,
    pages: [],
    transparency: null,
    histogram: null,
  },
  objects: [],
  suggestions: ['How many ships?', 'Is there a car?'],
  questions: [
    { text: 'How many ships?', answer: 'two', evidence: [0, 1] },
    { text: 'Is there a car?', answer: 'no', evidence: [] },
  ],
};

/** @type {import('../types.d.ts').Cost} */
export const COST = {
  model: 'nano',
  device: 'CPU',
  tokens_per_second: 1000,
  overhead_seconds: 0,
  bytes_per_token: 6000,
};

/** @type {import('../types.d.ts').Answer} */
export const ANSWER = {
  text: 'two',
  question: 'How many ships?',
  budgets: [1, 1, 1, 1],
  looks: 0,
  tokens: 4,
  truncated: false,
  seconds: 2,
  decode_seconds: 0.1,
  model: 'nano',
  method: { importance: 'fused', seed: 3 },
  caveat: null,
  understood: true,
  read_as: null,
  not_understood: null,
  measured: null,
  correct: true,
  cost: COST,
  words: null,
};
