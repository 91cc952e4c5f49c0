// Outlines of the preserved tokens, drawn on the screen's own pixels over the map; what is in them stays as it is.

import { FATE } from './colors.js';
import { h, ink } from './dom.js';
import { L } from './leaflet.js';
import { edgesOf } from './paint.js';
import { get, onFrame } from './store.js';
import { budgetAt, present } from './sides.js';

const SHOWN = ['seen', 'fate'];

/** @param {import('./viewer.js').View} view */
export function followOutlines(view) {
  const { map } = view;
  // Leaflet hides what is so named while it animates a zoom, after which it is drawn again.
  const canvas = h('canvas', { class: 'uhr-preserved leaflet-zoom-hide', 'aria-hidden': 'true' });
  map.getPanes().overlayPane.append(canvas);
  let waiting = false;
  function soon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }
  map.on('move zoomend viewreset resize', soon);
  onFrame(['tokens', 'layer', 'scale', 'budget', 'image', 'model', 'pinned', 'divider', 'difference'], draw);

  function draw() {
    const size = map.getSize();
    const dense = window.devicePixelRatio || 1;
    canvas.width = Math.round(size.x * dense);
    canvas.height = Math.round(size.y * dense);
    canvas.style.width = `${size.x}px`;
    canvas.style.height = `${size.y}px`;
    L.DomUtil.setPosition(canvas, map.containerPointToLayerPoint([0, 0]));
    const { layer, image, pinned, divider, difference } = get();
    if (!image || !SHOWN.includes(layer) || difference) return;
    const context = ink(canvas);
    context.scale(dense, dense);
    const at = pinned ? divider * size.x : size.x;
    let outlined = drawSide(context, present(), image, size, [0, at]);
    if (pinned) outlined += drawSide(context, pinned, image, size, [at, size.x]);
    canvas.dataset.outlined = String(outlined);
  }

  /**
   * Outline one side's preserved tokens between two places across; how many there are.
   * @param {CanvasRenderingContext2D} context
   * @param {import('./sides.js').Side | null} side
   * @param {import('./types.d.ts').ImageValue} image
   * @param {import('leaflet').Point} size
   * @param {[number, number]} across
   */
  function drawSide(context, side, image, size, [from, to]) {
    const { scale } = get();
    const own = side?.tokens.get(scale);
    if (!side || !own) return 0;
    const budget = budgetAt(side, scale);
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, size.y);
    context.clip();
    const corner = map.latLngToContainerPoint(view.toMap(-image.offset[0], -image.offset[1]));
    const end = map.latLngToContainerPoint(view.toMap(image.side - image.offset[0], -image.offset[1]));
    const step = (end.x - corner.x) / own.grid;
    context.strokeStyle = FATE.preserved;
    context.lineWidth = step < 8 ? 1 : 1.5;
    context.beginPath();
    const alone = own.alone(budget);
    const mask = new Uint8Array(own.rank.length);
    for (const index of alone) mask[index] = 1;
    for (const index of alone) {
      const [x, y] = [corner.x + (index % own.grid) * step, corner.y + Math.floor(index / own.grid) * step];
      if (x < from - step || y < -step || x > to || y > size.y) continue;
      for (const [x0, y0, x1, y1] of edgesOf(index, own.grid, mask, step)) {
        context.moveTo(x + x0, y + y0);
        context.lineTo(x + x1, y + y1);
      }
    }
    context.stroke();
    context.restore();
    return alone.length;
  }
}
