// A scale bar in metres, where the file says how large its pixels are.

import { h } from './dom.js';
import { get, on } from './store.js';

const WIDEST = 110; // screen pixels

/**
 * @param {HTMLElement} host
 * @param {import('./viewer.js').View} view
 */
export function scaleBar(host, view) {
  const bar = h('div', { class: 'uhr-scalebar', hidden: true });
  host.append(bar);
  const draw = () => {
    const { image } = get();
    const metres = image?.metres_per_pixel;
    bar.hidden = !metres;
    if (!image || !metres) return;
    const { width, text } = barOf(metres * 2 ** (image.max_zoom - view.map.getZoom()), WIDEST);
    bar.style.width = `${width}px`;
    bar.textContent = text;
  };
  view.map.on('zoom move', draw);
  on(['image'], draw);
}

/**
 * The longest bar of 1, 2 or 5 times a power of ten metres that is at most so wide.
 * @param {number} metres A screen pixel's side.
 * @param {number} widest Screen pixels.
 */
export function barOf(metres, widest) {
  const most = metres * widest;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((n) => n * power).find((n) => n <= most) ?? power;
  const text = length >= 1000 ? `${length / 1000} km` : `${+length.toPrecision(2)} m`;
  return { width: length / metres, text };
}
