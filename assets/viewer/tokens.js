// One scale's tokens in the browser: ranks, importances, regions by grid position, and every budget's numbers.

import { url } from './store.js';

/** A picture whose red, green and blue are one 24-bit number a pixel -> Uint32Array. */
async function numbers(path) {
  const response = await fetch(url(path));
  if (!response.ok) throw new Error(`${response.status} ${path}`);
  const bitmap = await createImageBitmap(await response.blob(), {
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);
  return pixels.map((p) => ((p & 255) << 16) | (p & 0xff00) | ((p >> 16) & 255));
}

const MERGED_BIT = 1 << 23;
const HEADROOM = 65535;

export class ScaleTokens {
  /** `scale`: {size, grid, tokens, scored, rank, importance, region, low, high}; the three maps are URLs. */
  constructor(scale, packed) {
    Object.assign(this, { size: scale.size, grid: scale.grid, count: scale.tokens, scored: scale.scored });
    this.source = scale;
    this.rank = packed.map((value) => value & (MERGED_BIT - 1));
    this.merged = Uint8Array.from(packed, (value) => (value & MERGED_BIT ? 1 : 0));
    this.#count();
  }

  static async load(scale) {
    return new ScaleTokens(scale, await numbers(scale.rank));
  }

  /** For every budget k: tokens preserved, tokens merged; for every rank, how many tokens share it. */
  #count() {
    const ranks = this.count + 2;
    this.preserved = new Uint32Array(ranks);
    this.inside = new Uint32Array(ranks);
    this.sharing = new Uint32Array(ranks);
    for (let i = 0; i < this.count; i++) {
      const rank = Math.min(this.rank[i], ranks - 1);
      (this.merged[i] ? this.inside : this.preserved)[rank]++;
      this.sharing[rank]++;
    }
    this.places = 0; // ranks in use: the largest budget that can be used up
    for (let k = 1; k < ranks; k++) {
      if (k <= this.count && this.sharing[k]) this.places = k;
      this.preserved[k] += this.preserved[k - 1];
      this.inside[k] += this.inside[k - 1];
    }
  }

  /** Where the tokens went at this scale's budget. */
  ledger(budget) {
    const k = Math.min(budget, this.places);
    const [preserved, merged] = [this.preserved[k], this.inside[k]];
    return {
      budget,
      used: k,
      preserved,
      merged,
      averages: k - preserved,
      dropped: this.count - preserved - merged,
    };
  }

  fate(index, budget) {
    return this.rank[index] > budget ? 'dropped' : this.merged[index] ? 'merged' : 'preserved';
  }

  /** How many tokens share the place of this one, itself included. */
  members(index) {
    return this.sharing[Math.min(this.rank[index], this.count + 1)];
  }

  /** Fates of the tokens of a rectangle of the grid {rows: [from, to], cols: [from, to]} (last ones included). */
  inRectangle({ rows, cols }, budget) {
    const found = { tokens: 0, preserved: 0, merged: 0, dropped: 0, members: 0, bestRank: Infinity };
    for (let row = rows[0]; row <= rows[1]; row++) {
      for (let col = cols[0]; col <= cols[1]; col++) {
        const index = row * this.grid + col;
        const fate = this.fate(index, budget);
        found.tokens++;
        found[fate]++;
        if (fate === 'merged') found.members = Math.max(found.members, this.members(index));
        found.bestRank = Math.min(found.bestRank, this.rank[index]);
      }
    }
    return found;
  }

  /** Importance of every token, in the model's own units; loaded when first asked for. */
  importances() {
    this.importancePromise ??= numbers(this.source.importance).then((values) => {
      const { low, high } = this.source;
      this.importance = Float32Array.from(values, (value) => low + (value / HEADROOM) * (high - low));
      return this.importance;
    });
    return this.importancePromise;
  }

  /** Region of every token; loaded when first asked for. */
  regions() {
    this.regionPromise ??= numbers(this.source.region).then((values) => {
      this.region = values;
      // The smallest rank in each region, sorted: how many regions a budget reaches.
      const first = new Map();
      for (let i = 0; i < values.length; i++) {
        const known = first.get(values[i]);
        if (known === undefined || this.rank[i] < known) first.set(values[i], this.rank[i]);
      }
      this.reached = Uint32Array.from(first.values()).sort();
      return values;
    });
    return this.regionPromise;
  }

  /** Regions with a token in the budget; null until the regions are loaded. */
  regionsReached(budget) {
    if (!this.reached) return null;
    let [low, high] = [0, this.reached.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.reached[middle] <= budget) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Load every scale's ranks, then importances and regions quietly behind them. */
export async function loadTokens(maps, later) {
  const scales = await Promise.all(maps.scales.map((scale) => ScaleTokens.load(scale)));
  const tokens = new Map(scales.map((scale) => [scale.size, scale]));
  const rest = Promise.all(scales.flatMap((scale) => [scale.importances(), scale.regions()]));
  rest.then(later, () => {});
  return tokens;
}
