// Draws a box with mouse, pen or finger, on a veil over the map, and sends it to Python.

import { h } from './dom.js';
import { gridOf } from './geometry.js';
import { boxBetween, clamp, tokenAt, tokenBox, wholePixels } from './places.js';
import { get, on, set } from './store.js';

/** @typedef {import('./types.d.ts').Trigger} Trigger */

const SMALLEST = 3; // screen pixels; anything shorter is a click, and takes the token under it

/**
 * @param {HTMLElement} root
 * @param {HTMLElement} host
 * @param {import('./viewer.js').View} view
 * @param {Trigger} trigger
 */
export function boxTool(root, host, view, trigger) {
  const veil = h('div', { class: 'uhr-veil', 'aria-hidden': 'true', hidden: true });
  host.append(veil);
  drawOn(veil, view, (box) => {
    openObjectTab();
    chooseBox(box, trigger);
  });
  // The same box again: another question, or budgets for each scale, for which no verdict has been sent along.
  const again = () => {
    const { box, maps, image } = get();
    if (box && maps && image) trigger('box', { box, image: image.id });
  };
  on(['maps'], again);
  on(['settled'], ({ settled }) => settled?.perScale && again());
  on(['askBox'], ({ askBox }) => askBox && chooseBox(askBox, trigger));
  on(['drawing'], ({ drawing }) => {
    veil.hidden = !drawing;
    root.classList.toggle('drawing', drawing);
    // Leaflet follows touches of its own, which no pointer event stops: one finger draws, two zoom.
    if (drawing) view.map.dragging.disable();
    else view.map.dragging.enable();
  });
}

/**
 * Follow the pointer over the veil; `done(box)` gets what was drawn, in image pixels.
 * @param {HTMLElement} veil
 * @param {import('./viewer.js').View} view
 * @param {(box: import('./types.d.ts').Box) => void} done
 */
function drawOn(veil, view, done) {
  /** @typedef {{x: number, y: number, left: number, top: number}} Point */
  /** @type {Point | null} */
  let start = null;

  /**
   * @param {PointerEvent} event
   * @returns {Point | null}
   */
  function point(event) {
    const { image } = get();
    if (!image) return null;
    const { x, y } = view.at(event);
    const [left, top] = [event.clientX, event.clientY];
    return { x: clamp(x, image.width), y: clamp(y, image.height), left, top };
  }

  function giveUp() {
    start = null;
    set({ rubber: null });
  }

  veil.addEventListener('pointerdown', (event) => {
    if (event.button || !get().image) return;
    event.preventDefault();
    if (!event.isPrimary) {
      giveUp(); // a second finger: the two zoom
      return;
    }
    event.stopPropagation();
    veil.setPointerCapture(event.pointerId);
    start = point(event);
    set({ box: null, object: null });
  });
  veil.addEventListener('pointermove', (event) => {
    const now = start && point(event);
    if (start && now) set({ rubber: boxBetween(start, now) });
  });
  veil.addEventListener('pointercancel', giveUp);
  veil.addEventListener('pointerup', (event) => {
    const end = point(event);
    const { image, scale, model } = get();
    if (!start || !end || !image) return;
    const drawn = Math.hypot(end.left - start.left, end.top - start.top) >= SMALLEST;
    const grid = gridOf(model, scale);
    const box = drawn ? boxBetween(start, end) : tokenBox(tokenAt(end, image, grid), image, grid);
    start = null;
    set({ rubber: null, drawing: false });
    done(box);
  });
}

/** The Object tab, the first, shows what becomes of a drawn box. */
function openObjectTab() {
  const other = document.querySelector('#tabs [role=tab]:not(.selected)');
  const first = other?.parentElement?.querySelector('[role=tab]');
  if (first instanceof HTMLElement) first.click();
}

/**
 * Make a box the page's object, on whole pixels inside the image.
 * @param {import('./types.d.ts').Box} box
 * @param {Trigger} trigger
 */
export function chooseBox(box, trigger) {
  const { image } = get();
  if (!image) return;
  const whole = wholePixels(box, image);
  set({ box: whole, object: null });
  trigger('box', { box: whole, image: image.id });
}
