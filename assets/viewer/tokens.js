// One scale's tokens in the browser: ranks, importances, regions by grid position, and every budget's numbers.

import { positions } from './heat.js';
import { numbers, unpackImportances, unpackRanks } from './maps.js';
import { groupColors, tokenColors } from './tokencolors.js';
import { padding } from './places.js';

/** @typedef {import('./types.d.ts').ScaleSource} ScaleSource */

export class ScaleTokens {
  /** Importance of every token; undefined until loaded. @type {Float32Array | undefined} */
  importance;
  /** Region of every token; undefined until loaded. @type {Uint32Array | undefined} */
  region;
  /** @type {Promise<Float32Array> | undefined} */
  #importances;
  /** @type {Promise<Uint32Array> | undefined} */
  #regions;
  /** The smallest rank of each region, ascending. @type {Uint32Array | undefined} */
  #reached;
  /** What the model sees of the tokens that are averaged; undefined until loaded. @type {Uint32Array | undefined} */
  seen;
  /** @type {{key: string, positions: Float32Array} | undefined} */
  #heat;
  /** Tokens of the image that enter as they are, by rank, and their ranks. @type {[Uint32Array, Uint32Array] | undefined} */
  #alone;

  /**
   * @param {ScaleSource} source
   * @param {Uint32Array} packed The map of ranks.
   * @param {Uint8Array} outside 1 where a token is padding.
   */
  constructor(source, packed, outside) {
    this.source = source;
    /** 1 where no look went, of a native scale; null where every place has a token. */
    this.unlooked = source.looked ? unlooked(source.looked, source.grid, source.tokens) : null;
    /** 1 where a place shows nothing of the image to the model: padding, or not looked at. */
    this.outside = this.unlooked ? outside.map((each, i) => each | (this.unlooked?.[i] ?? 0)) : outside;
    this.size = source.size;
    /** Tokens a side. */
    this.grid = source.grid;
    this.count = source.tokens;
    const { rank, merged } = unpackRanks(packed);
    this.rank = rank;
    this.merged = merged;
    /** Tokens of padding. */
    this.padding = outside.reduce((n, each, i) => n + (this.unlooked?.[i] ? 0 : each), 0);
    // By budget: tokens of the image preserved and inside averages, and padding that is handed over all the same (by
    // models of the released code); by rank: how many tokens share it.
    const ranks = this.count + 2;
    this.preserved = new Uint32Array(ranks);
    this.inside = new Uint32Array(ranks);
    this.paddingUsed = new Uint32Array(ranks);
    this.sharing = new Uint32Array(ranks);
    /** Ranks in use: the largest budget that can be used up. */
    this.places = 0;
    this.#count();
  }

  #count() {
    const last = this.count + 1;
    for (let i = 0; i < this.rank.length; i++) {
      if (this.unlooked?.[i]) continue;
      const rank = Math.min(this.rank[i], last);
      if (!this.outside[i]) (this.merged[i] ? this.inside : this.preserved)[rank]++;
      else if (!this.merged[i]) this.paddingUsed[rank]++;
      this.sharing[rank]++;
    }
    for (let k = 1; k <= last; k++) {
      if (k <= this.count && this.sharing[k]) this.places = k;
      this.preserved[k] += this.preserved[k - 1];
      this.inside[k] += this.inside[k - 1];
      this.paddingUsed[k] += this.paddingUsed[k - 1];
    }
  }

  /** Where the tokens went at this scale's budget. @param {number} budget */
  ledger(budget) {
    const used = Math.min(budget, this.places);
    const [preserved, merged] = [this.preserved[used], this.inside[used]];
    const dropped = this.count - this.padding - preserved - merged;
    const averages = used - preserved - this.paddingUsed[used];
    return { budget, used, preserved, merged, averages, dropped, padding: this.padding };
  }

  /**
   * @param {number} index
   * @param {number} budget
   * @returns {import('./types.d.ts').Kind | 'unlooked'} Unlooked: there is no token, since no look went there.
   */
  fate(index, budget) {
    if (this.unlooked?.[index]) return 'unlooked';
    if (this.outside[index]) return 'padding';
    return this.rank[index] > budget ? 'dropped' : this.merged[index] ? 'merged' : 'preserved';
  }

  /** How many tokens share the place of this one, itself included. @param {number} index */
  members(index) {
    return this.sharing[Math.min(this.rank[index], this.count + 1)];
  }

  /**
   * Fates of the tokens of a rectangle of the grid.
   * @param {import('./types.d.ts').Cells} cells
   * @param {number} budget
   */
  inRectangle({ rows, cols }, budget) {
    const found = {
      tokens: 0,
      preserved: 0,
      merged: 0,
      dropped: 0,
      padding: 0,
      unlooked: 0,
      members: 0,
      bestRank: Infinity,
    };
    for (let row = rows[0]; row <= rows[1]; row++) {
      for (let col = cols[0]; col <= cols[1]; col++) {
        const index = row * this.grid + col;
        const fate = this.fate(index, budget);
        found[fate]++;
        if (fate === 'unlooked') continue;
        found.tokens++;
        if (fate === 'merged') found.members = Math.max(found.members, this.members(index));
        found.bestRank = Math.min(found.bestRank, this.rank[index]);
      }
    }
    return found;
  }

  /** Tokens of the image that are preserved at this scale's budget, by rank. @param {number} budget */
  alone(budget) {
    if (!this.#alone) {
      const entering = Uint32Array.from(this.rank.keys()).filter(
        (i) => !this.merged[i] && !this.outside[i] && this.rank[i] <= this.count,
      );
      entering.sort((a, b) => this.rank[a] - this.rank[b]);
      this.#alone = [entering, entering.map((i) => this.rank[i])];
    }
    const [tokens, ranks] = this.#alone;
    return tokens.subarray(0, countUpTo(ranks, budget));
  }

  /**
   * Where every token stands on the heat map, 0..1, or -1; null until the importances are loaded.
   * @param {import('./heat.js').Range} range
   * @param {import('./heat.js').HeatBy} by
   */
  heat(range, by) {
    const { importance, outside } = this;
    if (!importance) return null;
    const key = JSON.stringify([range, by]);
    if (this.#heat?.key !== key)
      this.#heat = { key, positions: positions({ importance, outside }, range, by) };
    return this.#heat.positions;
  }

  /** What the model sees of the averages; loaded when first asked for. @param {import('./types.d.ts').ImageValue} image */
  async look(image) {
    this.seen ??= groupColors(this, await tokenColors(image, this.grid));
    return this.seen;
  }

  /** Importance of every token, in the model's own units; loaded when first asked for. */
  importances() {
    this.#importances ??= numbers(this.source.importance).then(
      (values) => (this.importance = unpackImportances(values, this.source)),
    );
    return this.#importances;
  }

  /** Region of every token; loaded when first asked for. */
  regions() {
    this.#regions ??= numbers(this.source.region).then((values) => this.useRegions(values));
    return this.#regions;
  }

  /** @param {Uint32Array} regions */
  useRegions(regions) {
    /** @type {Map<number, number>} */
    const first = new Map();
    for (let i = 0; i < regions.length; i++) {
      const known = first.get(regions[i]);
      if (known === undefined || this.rank[i] < known) first.set(regions[i], this.rank[i]);
    }
    this.#reached = Uint32Array.from(first.values()).sort();
    this.region = regions;
    return regions;
  }

  /** Regions with a token in the budget; null until the regions are loaded. @param {number} budget */
  regionsReached(budget) {
    return this.#reached ? countUpTo(this.#reached, budget) : null;
  }
}

/**
 * Where no look went: one byte a place of a scale's grid, 1 where its tile is not among those looked at.
 * @param {number[]} looked Tiles, row by row.
 * @param {number} grid
 * @param {number} tokens Of those tiles.
 */
function unlooked(looked, grid, tokens) {
  const side = Math.sqrt(tokens / looked.length);
  const across = grid / side;
  const found = new Uint8Array(grid * grid).fill(1);
  for (const tile of looked) {
    const start = Math.floor(tile / across) * side * grid + (tile % across) * side;
    for (let row = 0; row < side; row++) found.fill(0, start + row * grid, start + row * grid + side);
  }
  return found;
}

/**
 * How many of ascending values are at most a limit.
 * @param {Uint32Array} values
 * @param {number} limit
 */
export function countUpTo(values, limit) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Load every scale's ranks.
 * @param {import('./types.d.ts').Maps} maps
 * @param {import('./places.js').Placed} image
 */
export async function loadTokens({ scales }, image) {
  const loaded = await Promise.all(
    scales.map(
      async (source) => new ScaleTokens(source, await numbers(source.rank), padding(image, source.grid)),
    ),
  );
  return new Map(loaded.map((tokens) => [tokens.size, tokens]));
}

/** Load what `loadTokens` leaves for later. @param {Map<number, ScaleTokens>} tokens */
export const loadDetails = (tokens) =>
  Promise.all([...tokens.values()].flatMap((scale) => [scale.importances(), scale.regions()]));
