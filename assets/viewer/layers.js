// Draws one layer of one scale over the image, and the outlines of the regions.

import { h, ink } from './dom.js';
import { coarsest, tokensOf } from './geometry.js';
import { pooled, poolFactor, rangeOf } from './heat.js';
import { keepMark } from './hooks.js';
import { L } from './leaflet.js';
import { PAINT, outline, paintDifference, paintHeat } from './paint.js';
import { get, on, onFrame, set } from './store.js';
import { budgetAt, present } from './sides.js';
import { loadDetails, loadTokens } from './tokens.js';
import { wordPositions } from './words.js';

/** @typedef {import('leaflet').LatLngBounds} LatLngBounds */

const NOT_LOADED = 'The token maps could not be loaded. Ask again.';
const OUTLINE_SIDE = 1440; // pixels that the outlines' canvas has at least, so that they look thin

/** A canvas of `side` x `side` pixels laid over the square. */
class TokenCanvas {
  /** What is painted: the budget or the kind of heat, where it matters. @type {number | string | null} */
  painted = null;

  /**
   * @param {import('leaflet').Map} map
   * @param {LatLngBounds} bounds
   * @param {number} side
   * @param {string} className
   * @param {string} [pane]
   */
  constructor(map, bounds, side, className, pane = 'overlayPane') {
    const canvas = h('canvas', { width: side, height: side, class: `uhr-pixels ${className}` });
    this.context = ink(canvas);
    this.data = this.context.createImageData(side, side);
    this.pixels = new Uint32Array(this.data.data.buffer);
    // An overlay may hold any element, but Leaflet's types know of SVG only.
    const content = /** @type {SVGElement} */ (/** @type {unknown} */ (canvas));
    this.layer = L.svgOverlay(content, bounds, { interactive: false, pane }).addTo(map);
  }

  show() {
    this.context.putImageData(this.data, 0, 0);
  }

  remove() {
    this.layer.remove();
  }
}

/**
 * Keep the layer over the map in step with the page's state.
 * @param {import('leaflet').Map} map
 * @param {(scale?: number) => LatLngBounds} bounds Those of the square, or of one with its corner, so much larger.
 */
export function followLayers(map, bounds) {
  followMaps();
  const drawLayer = layerDrawer(map, bounds, 'left', present);
  const drawPinned = layerDrawer(map, bounds, 'right', () => (get().difference ? null : get().pinned));
  const drawBoth = async () => {
    await drawLayer();
    await drawPinned();
  };
  const drawOutlines = outlineDrawer(map, bounds);
  onFrame(
    ['tokens', 'layer', 'scale', 'budget', 'opacity', 'heatBy', 'pinned', 'difference', 'word', 'looked'],
    () => guarded(drawBoth),
  );
  map.on('zoomend', () => (get().layer === 'importance' || get().word != null) && guarded(drawBoth));
  onFrame(['tokens', 'outlines', 'scale'], () => guarded(drawOutlines));
}

/** Load the tokens of each question, and say so where they cannot be loaded. */
function followMaps() {
  on(['maps'], ({ maps }) => {
    set({ tokens: null, notice: '' });
    if (!maps) return;
    guarded(async () => {
      const { image } = get();
      if (!image) return;
      const tokens = await loadTokens(maps, image);
      if (get().maps?.id !== maps.id) return;
      set({ tokens });
      await loadDetails(tokens);
      set({ ready: maps.id });
    });
  });
}

/** Do what needs token maps; where one cannot be loaded, and is still wanted, the viewer says so. */
async function guarded(/** @type {() => Promise<void>} */ work) {
  const id = get().maps?.id;
  try {
    await work();
  } catch (error) {
    console.warn(error);
    if (get().maps?.id === id) set({ notice: NOT_LOADED });
  }
}

/**
 * @param {import('leaflet').Map} map
 * @param {(scale?: number) => LatLngBounds} bounds
 * @param {'left' | 'right'} pane Of swipe.js.
 * @param {() => import('./sides.js').Side | null} source
 */
function layerDrawer(map, bounds, pane, source) {
  /** @type {{key: string, canvas: TokenCanvas} | null} */
  let drawn = null;

  return async () => {
    const { layer, scale, image, opacity, model, difference, pinned } = get();
    const other = pinned?.tokens.get(scale);
    const side = source();
    const own = side?.tokens.get(scale);
    const looked = pane === 'left' ? lookedAt(side) : null;
    if (!side || !own || !image || (layer === 'image' && !difference && !looked)) {
      drawn?.canvas.remove();
      drawn = null;
      return;
    }
    const { maps } = side;
    const looks = difference ? 'difference' : looked ? 'word' : layer;
    const factor =
      looks === 'importance' || looks === 'word' ? poolFactor(screenPixels(map, bounds(), own.grid)) : 1;
    const key = `${maps.id}/${scale}/${looks}/${factor}`;
    if (drawn?.key !== key) {
      if (layer === 'importance' && !own.importance) await own.importances();
      if (layer === 'regions' && !own.region) await own.regions();
      if (layer === 'seen' && !own.seen) await own.look(image);
      const now = get();
      if (now.layer !== layer || now.scale !== scale || source()?.maps.id !== maps.id) return;
      drawn?.canvas.remove();
      const cells = Math.ceil(own.grid / factor);
      const canvas = new TokenCanvas(map, bounds((cells * factor) / own.grid), cells, `uhr-${looks}`, pane);
      drawn = { key, canvas };
    }
    drawn.canvas.layer.setOpacity(looks === 'seen' || looks === 'word' ? 1 : opacity);
    const budget = layer === 'fate' || layer === 'seen' || difference ? budgetAt(side, scale) : 0;
    const state = difference
      ? `${budget}/${pinned?.maps.id}/${pinned && budgetAt(pinned, scale)}`
      : looked
        ? get().word
        : layer === 'importance'
          ? get().heatBy
          : budget;
    if (drawn.canvas.painted === state) return;
    const started = performance.now();
    if (difference) {
      if (pinned && other)
        paintDifference(drawn.canvas.pixels, [own, budget], [other, budgetAt(pinned, scale)]);
    } else if (looked) {
      paintHeat(drawn.canvas.pixels, pooled(wordPositions(own, looked, get().word ?? 0), own.grid, factor));
    } else if (layer === 'importance') {
      const all = own.heat(rangeOf(maps.importance, tokensOf(model, coarsest(model))), get().heatBy);
      if (all) paintHeat(drawn.canvas.pixels, pooled(all, own.grid, factor));
    } else if (layer !== 'image') {
      PAINT[layer](drawn.canvas.pixels, own, budget);
    }
    drawn.canvas.show();
    drawn.canvas.painted = state;
    keepMark({ what: 'paint', layer, scale, budget, at: started, took: performance.now() - started });
  };
}

/** What the word that is pointed at looked at, where its ranks are those shown. @param {import('./sides.js').Side | null} side */
function lookedAt(side) {
  const { word, looked } = get();
  return word != null && looked && looked.maps === side?.maps.id ? looked : null;
}

/**
 * Screen pixels that a token has, a side.
 * @param {import('leaflet').Map} map
 * @param {LatLngBounds} square
 * @param {number} grid
 */
const screenPixels = (map, square, grid) =>
  Math.abs(
    map.latLngToContainerPoint(square.getNorthEast()).x - map.latLngToContainerPoint(square.getSouthWest()).x,
  ) / grid;

/**
 * @param {import('leaflet').Map} map
 * @param {() => LatLngBounds} bounds
 */
function outlineDrawer(map, bounds) {
  /** @type {{key: string, canvas: TokenCanvas} | null} */
  let drawn = null;

  /** @param {{key: string, canvas: TokenCanvas} | null} next */
  function show(next) {
    drawn?.canvas.remove();
    drawn = next;
  }

  return async () => {
    const { tokens, outlines, scale, image, maps } = get();
    const own = tokens?.get(scale);
    const key = outlines && own && image && maps ? `${maps.id}/${scale}` : null;
    if ((drawn?.key ?? null) === key) return;
    show(null);
    if (!key || !own || !image) return;
    await own.regions();
    if (!get().outlines || get().scale !== scale || get().maps?.id !== maps?.id) return;
    const factor = Math.max(2, Math.floor(OUTLINE_SIDE / own.grid));
    const canvas = new TokenCanvas(map, bounds(), own.grid * factor, 'uhr-outlines');
    outline(canvas.pixels, own, factor);
    canvas.show();
    show({ key, canvas });
  };
}
