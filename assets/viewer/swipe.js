// The divider of the viewer: left of it what is shown now (A), right of it what was kept (B).

import { flag, h } from './dom.js';
import { L } from './leaflet.js';
import { labels, present } from './sides.js';
import { get, on, set } from './store.js';

const STEP = 0.02; // of the width, by key

/**
 * The divider with its labels, and the panes that it cuts.
 * @param {HTMLElement} host
 * @param {import('./viewer.js').View} view
 */
export function swipe(host, { map }) {
  const panes = { left: map.createPane('left'), right: map.createPane('right') };
  for (const pane of Object.values(panes)) {
    pane.style.zIndex = '390';
    pane.style.pointerEvents = 'none';
  }
  const handle = h(
    'div',
    {
      class: 'uhr-handle',
      role: 'slider',
      tabindex: '0',
      'aria-label': 'Divider between A and B',
      'aria-valuemin': 0,
      'aria-valuemax': 100,
    },
    '⇔',
  );
  const [left, right] = ['is-a', 'is-b'].map((look) => h('span', { class: `uhr-side ${look}` }));
  const difference = h(
    'button',
    {
      type: 'button',
      class: 'uhr-side is-difference',
      onclick: () => set({ difference: !get().difference }),
    },
    'Difference',
  );
  const divider = h('div', { class: 'uhr-divider', hidden: true }, handle);
  const bar = h('div', { class: 'uhr-sides', hidden: true }, left, difference, right);
  L.DomEvent.disableClickPropagation(handle);
  L.DomEvent.disableClickPropagation(bar);
  host.append(divider, bar);

  function cut() {
    const { pinned, divider: at, difference: both } = get();
    const size = map.getSize();
    const [from, to] = [map.containerPointToLayerPoint([0, 0]), map.containerPointToLayerPoint(size)];
    const x = both ? to.x : from.x + at * size.x;
    const clip = (/** @type {number} */ low, /** @type {number} */ high) =>
      `polygon(${[
        [low, from.y],
        [high, from.y],
        [high, to.y],
        [low, to.y],
      ]
        .map((p) => p.map((v) => `${v}px`).join(' '))
        .join(', ')})`;
    panes.left.style.clipPath = pinned ? clip(from.x, x) : '';
    panes.right.style.clipPath = clip(x, to.x);
  }

  map.on('move zoomend viewreset resize', cut);
  on(['pinned', 'divider', 'difference'], ({ pinned, divider: at, difference: both }) => {
    divider.hidden = !pinned || both;
    bar.hidden = !pinned;
    divider.style.left = `${100 * at}%`;
    handle.setAttribute('aria-valuenow', String(Math.round(100 * at)));
    flag(difference, 'aria-pressed', both);
    cut();
  });
  on(['pinned', 'tokens', 'budget', 'maps', 'answer', 'difference'], ({ pinned, difference: both }) => {
    const now = present();
    if (!pinned || !now) return;
    const [a, b] = labels(now, pinned);
    left.textContent = both ? `preserved by A only · ${a}` : `A · ${a}`;
    right.textContent = both ? `preserved by B only · ${b}` : `B · ${b}`;
  });
  on(['image'], () => set({ pinned: null, difference: false }));
  drag(host, handle);
}

/**
 * @param {HTMLElement} host
 * @param {HTMLElement} handle
 */
function drag(host, handle) {
  const to = (/** @type {number} */ share) => set({ divider: Math.min(1, Math.max(0, share)) });
  // Leaflet follows touches of its own, which no pointer event stops.
  for (const event of ['touchstart', 'mousedown'])
    handle.addEventListener(event, (each) => each.stopPropagation());
  handle.addEventListener('pointerdown', (event) => {
    event.stopPropagation();
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener('pointermove', (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const { left, width } = host.getBoundingClientRect();
    to((event.clientX - left) / width);
  });
  handle.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (!by) return;
    to(get().divider + by);
    event.preventDefault();
    event.stopPropagation();
  });
}
