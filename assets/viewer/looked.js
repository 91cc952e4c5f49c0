// Where a native scale was looked at: its tiles framed, and all else under a veil.

import { lookedAt } from './geometry.js';
import { L } from './leaflet.js';
import { tileBox } from './native.js';
import { get, on } from './store.js';

/** @param {import('./viewer.js').View} view */
export function followLooked(view) {
  /** @type {import('leaflet').Polygon | null} */
  let drawn = null;
  on(['model', 'scale', 'image', 'maps', 'layer'], () => {
    drawn?.remove();
    drawn = null;
    const { model, scale, image, maps, layer } = get();
    const looked = lookedAt(model, scale);
    if (!image || !maps || !looked || layer === 'image') return;
    /** @param {import('./types.d.ts').Box} box */
    const ring = ([x0, y0, x1, y1]) => [
      view.toMap(x0, y0),
      view.toMap(x1, y0),
      view.toMap(x1, y1),
      view.toMap(x0, y1),
    ];
    const tiles = looked.map((tile) => ring(tileBox(tile, scale / model.tile, image)));
    const options = { className: 'uhr-looked', interactive: false, smoothFactor: 0 };
    drawn = L.polygon([ring([0, 0, image.width, image.height]), ...tiles], options).addTo(view.map);
  });
}
