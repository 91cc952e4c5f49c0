// The viewer: deep zoom over one image, with the layers, boxes and marks of its tokens on top.

import { boxTool } from './boxtool.js';
import { useModel } from './budgets.js';
import { CONSTANTS } from './constants.js';
import { h, url } from './dom.js';
import { follow, panel } from './gradio.js';
import { hooks, keepMark } from './hooks.js';
import { keys } from './keys.js';
import { followLayers } from './layers.js';
import { L } from './leaflet.js';
import { legend } from './legend.js';
import { followLooked } from './looked.js';
import { followMarks } from './marks.js';
import { followOutlines } from './outlines.js';
import { readout } from './readout.js';
import { scaleBar } from './scalebar.js';
import { get, on, set } from './store.js';
import { swipe } from './swipe.js';
import { toolbar } from './toolbar.js';
import { tour } from './tour.js';

/**
 * @typedef {import('./types.d.ts').Box} Box
 * @typedef {import('./types.d.ts').ImageValue} ImageValue
 * @typedef {ReturnType<typeof makeView>} View
 */

const TILE = CONSTANTS.image_tile;
const DEEPER = 3; // zoom levels beyond one image pixel a screen pixel
const MAP_OPTIONS = {
  crs: L.CRS.Simple,
  minZoom: -4,
  maxZoom: 4,
  zoomSnap: 0.25,
  zoomDelta: 1,
  wheelPxPerZoomLevel: 90,
  attributionControl: false,
  zoomControl: false,
  fadeAnimation: false,
  boxZoom: false,
  maxBoundsViscosity: 0.6,
};

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const root = panel(context);
  root.classList.add('uhr-viewer');
  const host = h('div', {
    class: 'uhr-map',
    tabindex: '0',
    role: 'application',
    'aria-label':
      'Image viewer. Arrow keys move, plus and minus zoom, 1 to 4 choose the scale, i h f r the layer.',
  });
  root.replaceChildren(host);
  const view = makeView(L.map(host, MAP_OPTIONS));
  hooks.view = view;

  toolbar(root, host, view);
  scaleBar(host, view);
  readout(host, view);
  root.append(legend());
  tour(host);
  keys(root, view);
  swipe(host, view);
  followLayers(view.map, view.square);
  followOutlines(view);
  followLooked(view);
  followMarks(view);
  boxTool(root, host, view, context.trigger);
  follow(context, (/** @type {import('./types.d.ts').ViewerValue | null} */ value) => apply(view, value));
  new ResizeObserver(() => view.resized()).observe(host);
  root.dataset.ready = '1';
}

/**
 * Show what Python sends; null clears. The same value may come twice.
 * @param {View} view
 * @param {import('./types.d.ts').ViewerValue | null} value
 */
async function apply(view, value) {
  if (value?.model && JSON.stringify(value.model) !== JSON.stringify(get().model))
    await useModel(value.model);
  const { image, maps, model } = get();
  const next = value?.image ?? null;
  if (next?.id !== image?.id) {
    if (!value?.model && model.whole) await useModel(model.whole); // the last image's looks
    set({ maps: null, points: null, box: null, object: null });
    view.show(next);
    set({ image: next });
  }
  if (value?.maps?.id !== maps?.id) set({ maps: value?.maps ?? null });
  set({ points: value?.points ?? null });
}

/**
 * The map and the way between its coordinates and pixels of the upright image.
 * @param {import('leaflet').Map} map
 */
function makeView(map) {
  /** @type {ImageValue | null} */
  let image = null;
  /** @type {import('leaflet').TileLayer | null} */
  let tiles = null;
  /** The zoom of one image pixel a screen pixel. */
  const full = () => image?.max_zoom ?? 0;
  /**
   * @param {number} x
   * @param {number} y
   */
  const toMap = (x, y) => map.unproject([x, y], full());
  /** @param {import('leaflet').LatLng} place */
  const toImage = (place) => map.project(place, full());
  /** @param {Box} box */
  const bounds = ([x0, y0, x1, y1]) => L.latLngBounds(toMap(x0, y0), toMap(x1, y1));

  const view = {
    map,
    toMap,
    toImage,
    bounds,

    /** Image pixels that so many screen pixels are. @param {number} n */
    imagePixels: (n) => n * 2 ** (full() - map.getZoom()),

    /** Where a mouse event lies in the image. @param {MouseEvent} event */
    at: (event) => toImage(map.mouseEventToLatLng(event)),

    /** Bounds of the square: the image padded, centred; or of one `factor` times as large with the same corner. */
    square(factor = 1) {
      const { side = 0, offset: [x, y] = [0, 0] } = image ?? {};
      return bounds([-x, -y, factor * side - x, factor * side - y]);
    },

    /** Show the whole image. */
    fit(animate = true) {
      if (!image) return;
      const options = { animate, padding: L.point(4, 4), maxZoom: full() + DEEPER };
      map.fitBounds(bounds([0, 0, image.width, image.height]), options);
    },

    /** The host has another size (full screen, a turned phone): a whole image stays whole, another place stays central. */
    resized() {
      const wasWhole = image && map.getBounds().contains(bounds([0, 0, image.width, image.height]));
      map.invalidateSize({ animate: false });
      if (wasWhole) view.fit(false);
    },

    /** Move so that a box fills about a third of the view. @param {Box} box */
    goTo([x0, y0, x1, y1]) {
      const [width, height] = [Math.max(x1 - x0, 24), Math.max(y1 - y0, 24)];
      const around = bounds([x0 - width, y0 - height, x1 + width, y1 + height]);
      const options = { duration: 0.6, maxZoom: full() + 2 };
      if (matchMedia('(prefers-reduced-motion: reduce)').matches)
        map.fitBounds(around, { ...options, animate: false });
      else map.flyToBounds(around, options);
    },

    /** What is in view of the image, in its pixels; null where there is none. @returns {Box | null} */
    box() {
      if (!image) return null;
      const { min, max } = map.getPixelBounds();
      if (!min || !max) return null;
      const [from, to] = [min, max].map((corner) => toImage(map.unproject(corner)));
      const box = [
        Math.max(0, from.x),
        Math.max(0, from.y),
        Math.min(image.width, to.x),
        Math.min(image.height, to.y),
      ];
      return box[0] < box[2] && box[1] < box[3] ? /** @type {Box} */ (box.map(Math.round)) : null;
    },

    /** Centre in image pixels, and zoom from one image pixel a screen pixel: for the share link. */
    where() {
      if (!image) return null;
      const centre = toImage(map.getCenter());
      return [Math.round(centre.x), Math.round(centre.y), +(map.getZoom() - full()).toFixed(2)];
    },

    /** Go to what `where` gave. @param {number[]} where */
    goWhere([x, y, zoom]) {
      map.setView(toMap(x, y), full() + zoom, { animate: false });
    },

    /** Show another image, whole, or none. @param {ImageValue | null} next */
    show(next) {
      tiles?.remove();
      tiles = null;
      image = next;
      if (!image) return;
      // No limits before the fit: one that the last image's place or zoom breaks would start an animation over it.
      map.setMaxBounds().setMinZoom(-6).setMaxZoom(40);
      const all = bounds([0, 0, image.width, image.height]);
      tiles = tileLayer(image, all);
      const started = performance.now();
      tiles.once('load', () => keepMark({ what: 'tiles', took: performance.now() - started }));
      tiles.addTo(map);
      view.fit(false);
      map.setMaxBounds(all.pad(0.6));
      map.setMinZoom(Math.floor(map.getZoom()) - 1).setMaxZoom(full() + DEEPER);
    },
  };
  on(['image'], ({ image: now }) => !now && view.show(null));
  on(['goto'], ({ goto: target }) => target && image && view.goTo(target.box));
  return view;
}

/**
 * The image's tiles, each exactly as large as its place: at fractional zooms the edges of neighbours add up
 * (explorer.css), so that no seam shows. A dense screen gets tiles of one zoom deeper, at half the size.
 * @param {ImageValue} image
 * @param {import('leaflet').LatLngBounds} bounds
 */
function tileLayer(image, bounds) {
  const deeper = window.devicePixelRatio > 1 ? 1 : 0;
  return L.tileLayer(url(image.tiles), {
    tileSize: TILE / 2 ** deeper,
    zoomOffset: deeper,
    minZoom: -6,
    maxZoom: image.max_zoom + DEEPER,
    minNativeZoom: -deeper,
    maxNativeZoom: image.max_zoom - deeper,
    noWrap: true,
    bounds,
    keepBuffer: 2,
    updateWhenZooming: false,
  });
}
