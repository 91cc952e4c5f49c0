// Boxes and points on the map: the inspected box, known objects, evidence, and where the model pointed.

import { L } from './leaflet.js';
import { h, on, truth } from './store.js';

const KINDS = { found: 'found', missed: 'missed', imagined: 'imagined' };

export function followMarks(map, view) {
  const known = L.layerGroup().addTo(map);
  const pointed = L.layerGroup().addTo(map);
  let rubber = null;

  const rectangle = (box, className) =>
    L.rectangle(view.bounds(...box), {
      className: `uhr-box ${className}`,
      fill: false,
      weight: 2,
      interactive: false,
    });

  on('rubber box image', ({ rubber: drawn, box, image }) => {
    rubber?.remove();
    rubber = null;
    const shown = drawn ?? box;
    if (image && shown)
      rubber = L.layerGroup([rectangle(shown, 'halo'), rectangle(shown, 'chosen')]).addTo(map);
  });

  on('image showObjects question', ({ image, showObjects, question }) => {
    known.clearLayers();
    if (!image || !showObjects) return;
    const evidence = truth(question)?.evidence ?? [];
    for (const [index, { kind, color, box }] of (image.objects ?? []).entries()) {
      const isEvidence = evidence.includes(index);
      L.rectangle(view.bounds(...box), {
        className: `uhr-box ${isEvidence ? 'evidence' : 'object'}`,
        weight: isEvidence ? 2 : 1,
        fillOpacity: 0.01,
      })
        .bindTooltip([color, kind].filter(Boolean).join(' '), { className: 'uhr-tip', direction: 'top' })
        .addTo(known);
    }
  });

  on('points image', ({ points, image }) => {
    pointed.clearLayers();
    if (!image || !points) return;
    for (const { x, y, status, box, label } of points) {
      if (status === 'missed') {
        rectangle(box, 'missed').addTo(pointed);
        continue;
      }
      const name = KINDS[status] ?? 'pointed';
      L.marker(view.toMap(x, y), {
        icon: L.divIcon({
          className: '',
          iconSize: [18, 18],
          html: h('span', { class: `uhr-point ${name}` }),
        }),
        keyboard: false,
        alt: label,
      })
        .bindTooltip(label, { className: 'uhr-tip', direction: 'top', offset: [0, -6] })
        .addTo(pointed);
    }
  });
}
