// The viewer: deep zoom over one image, with the layers, boxes and marks of its tokens on top.

import { boxTool } from './boxtool.js';
import { followLayers } from './layers.js';
import { L } from './leaflet.js';
import { followMarks } from './marks.js';
import { follow, get, h, on, set, url } from './store.js';
import { toolbar } from './toolbar.js';

const TILE = 256;
const DEEPER = 3; // zoom levels beyond one image pixel a screen pixel

/** Tiles one pixel larger than their place: at fractional zooms no seam shows between them. */
const Tiles = L.TileLayer.extend({
  _initTile(tile) {
    L.TileLayer.prototype._initTile.call(this, tile);
    tile.style.width = tile.style.height = `${TILE + 1}px`;
  },
});

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  root.classList.add('uhr-viewer');
  const host = h('div', {
    class: 'uhr-map',
    tabindex: '0',
    role: 'application',
    'aria-label':
      'Image viewer. Arrow keys move, plus and minus zoom, 1 to 4 choose the scale, i h f r the layer.',
  });
  root.replaceChildren(host);
  const map = L.map(host, {
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
  });
  const view = makeView(map);
  window.UHRBAT.view = view;

  toolbar(root, host, view, context);
  followLayers(map, view.square);
  followMarks(map, view);
  boxTool(root, host, view, context.trigger);
  follow(context, (value) => apply(view, value));
  new ResizeObserver(() => view.resized()).observe(host);
  root.dataset.ready = '1';
}

/** What Python sends: {image, maps, points}; null clears. The same value may come twice. */
function apply(view, value) {
  const { image, maps } = get();
  const next = value?.image ?? null;
  if (next?.id !== image?.id) {
    set({ maps: null, points: null, box: null, object: null });
    view.show(next);
    set({ image: next });
  }
  if (value?.maps?.id !== maps?.id) set({ maps: value?.maps ?? null });
  set({ points: value?.points ?? null });
}

/** The map and the way between its coordinates and pixels of the upright image. */
function makeView(map) {
  let image = null;
  let tiles = null;
  const toMap = (x, y) => map.unproject([x, y], image.max_zoom);
  const toImage = (latlng) => map.project(latlng, image.max_zoom);
  const bounds = (x0, y0, x1, y1) => L.latLngBounds(toMap(x0, y0), toMap(x1, y1));

  const view = {
    map,
    toMap,
    toImage,
    bounds,
    /** Bounds of the scene square: the image padded, centred, to a square. */
    square: () =>
      bounds(-image.offset[0], -image.offset[1], image.side - image.offset[0], image.side - image.offset[1]),
    fit: (animate = true) =>
      image &&
      map.fitBounds(bounds(0, 0, image.width, image.height), {
        animate,
        padding: [4, 4],
        maxZoom: image.max_zoom + DEEPER,
      }),
    /** The host has another size (full screen, a turned phone): a whole image stays whole, another place stays central. */
    resized() {
      const wasWhole = image && map.getBounds().contains(bounds(0, 0, image.width, image.height));
      map.invalidateSize({ animate: false });
      if (wasWhole) view.fit(false);
    },
    /** Move so that a box fills about a third of the view. */
    goTo(box) {
      const [x0, y0, x1, y1] = box;
      const [w, h] = [Math.max(x1 - x0, 24), Math.max(y1 - y0, 24)];
      map.flyToBounds(bounds(x0 - w, y0 - h, x1 + w, y1 + h), { duration: 0.6, maxZoom: image.max_zoom + 2 });
    },
    /** Centre and zoom as image pixels, for the share link. */
    where() {
      if (!image) return null;
      const centre = toImage(map.getCenter());
      return [Math.round(centre.x), Math.round(centre.y), +(map.getZoom() - image.max_zoom).toFixed(2)];
    },
    goWhere([x, y, zoom]) {
      map.setView(toMap(x, y), image.max_zoom + zoom, { animate: false });
    },
    show(next) {
      tiles?.remove();
      tiles = null;
      image = next;
      if (!image) return;
      // No limits before the fit: one that the last image's place or zoom breaks would start an animation over it.
      map.setMaxBounds(null).setMinZoom(-6).setMaxZoom(40);
      const all = bounds(0, 0, image.width, image.height);
      tiles = new Tiles(url(image.tiles), {
        tileSize: TILE,
        minZoom: -6,
        maxZoom: image.max_zoom + DEEPER,
        minNativeZoom: 0,
        maxNativeZoom: image.max_zoom,
        noWrap: true,
        bounds: all,
        keepBuffer: 2,
        updateWhenZooming: false,
      });
      const started = performance.now();
      tiles.once('load', () =>
        window.UHRBAT.marks.push({ what: 'tiles', took: performance.now() - started }),
      );
      tiles.addTo(map);
      view.fit(false);
      map
        .setMaxBounds(all.pad(0.6))
        .setMinZoom(Math.floor(map.getZoom()) - 1)
        .setMaxZoom(image.max_zoom + DEEPER);
    },
  };
  on('image', ({ image: now }) => !now && view.show(null));
  on('goto', ({ goto: target }) => target && image && view.goTo(target.box));
  return view;
}
