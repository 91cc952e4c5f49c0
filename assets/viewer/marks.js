// Boxes and points on the map: the inspected box, known objects, evidence, and where the model pointed.

import { h } from './dom.js';
import { L } from './leaflet.js';
import { goToObject, on, set } from './store.js';
import { truthOf } from './truth.js';

/**
 * @typedef {import('./types.d.ts').Box} Box
 * @typedef {import('./types.d.ts').PointMark} PointMark
 * @typedef {import('./viewer.js').View} View
 */

/** @type {import('leaflet').TooltipOptions} */
const TIP = { className: 'uhr-tip', direction: 'top' };

/** @param {View} view */
export function followMarks(view) {
  followBox(view);
  followHand(view);
  followObjects(view);
  followPoints(view);
}

/**
 * @param {View} view
 * @param {Box} box
 * @param {string} className
 */
const rectangle = (view, box, className) =>
  L.rectangle(view.bounds(box), {
    className: `uhr-box ${className}`,
    fill: false,
    weight: 2,
    interactive: false,
  });

/** The box that is drawn or inspected. @param {View} view */
function followBox(view) {
  const layer = L.layerGroup().addTo(view.map);
  on(['rubber', 'box', 'image'], ({ rubber, box, image }) => {
    layer.clearLayers();
    const shown = rubber ?? box;
    if (!image || !shown) return;
    for (const look of ['halo', 'chosen']) rectangle(view, shown, look).addTo(layer);
  });
}

/** What is chosen by hand. @param {View} view */
function followHand(view) {
  const layer = L.layerGroup().addTo(view.map);
  on(['hand', 'image'], ({ hand, image }) => {
    layer.clearLayers();
    if (!image) return;
    for (const tool of /** @type {const} */ (['force', 'without'])) {
      for (const box of hand[tool]) rectangle(view, box, `is-${tool}`).addTo(layer);
    }
  });
}

/** The objects of an example, with those that the question's answer depends on. @param {View} view */
function followObjects(view) {
  const layer = L.layerGroup().addTo(view.map);
  on(['image', 'showObjects', 'question'], ({ image, showObjects, question }) => {
    layer.clearLayers();
    if (!image || !showObjects) return;
    const evidence = truthOf(image, question)?.evidence ?? [];
    for (const [index, { kind, color, box }] of image.objects.entries()) {
      const needed = evidence.includes(index);
      const options = {
        className: `uhr-box ${needed ? 'evidence' : 'object'}`,
        weight: needed ? 2 : 1,
        fillOpacity: 0.01,
      };
      const name = [color, kind].filter(Boolean).join(' ');
      const inspect = () => set({ askBox: /** @type {Box} */ ([...box]) });
      L.rectangle(view.bounds(box), options).on('click', inspect).bindTooltip(name, TIP).addTo(layer);
      if (needed) objectMarker(view, box, `evidence: ${name}`, 'evidence', inspect).addTo(layer);
    }
  });
}

/** Where the model pointed, and the evidence it missed. @param {View} view */
function followPoints(view) {
  const layer = L.layerGroup().addTo(view.map);
  on(['points', 'image'], ({ points, image }) => {
    layer.clearLayers();
    if (!image) return;
    for (const point of points ?? []) {
      if (point.status !== 'missed') pointMarker(view, point).addTo(layer);
      else if (point.box) {
        const { box } = point;
        rectangle(view, box, 'missed').addTo(layer);
        objectMarker(view, box, point.label, 'missed', () => goToObject(box)).addTo(layer);
      }
    }
  });
}

/**
 * A ring around an object that has the same size on the screen at every zoom.
 * @param {View} view
 * @param {Box} box
 * @param {string} label
 * @param {'missed' | 'evidence'} look
 * @param {() => void} onclick
 */
function objectMarker(view, [x0, y0, x1, y1], label, look, onclick) {
  const icon = L.divIcon({
    className: '',
    iconSize: [26, 26],
    html: h('span', { class: `uhr-ring ${look}` }),
  });
  return L.marker(view.toMap((x0 + x1) / 2, (y0 + y1) / 2), { icon, alt: label, title: label })
    .on('click', onclick)
    .bindTooltip(label, { ...TIP, offset: [0, -10] });
}

/**
 * @param {View} view
 * @param {PointMark} point
 */
function pointMarker(view, { x, y, status, label }) {
  const icon = L.divIcon({
    className: '',
    iconSize: [18, 18],
    html: h('span', { class: `uhr-point ${status}` }),
  });
  return L.marker(view.toMap(x, y), { icon, keyboard: false, alt: label }).bindTooltip(label, {
    className: 'uhr-tip',
    direction: 'top',
    offset: [0, -6],
  });
}
