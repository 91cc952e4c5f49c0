// Draws a box with mouse, pen or finger, on a veil over the map, and sends it to Python.

import { h } from './dom.js';
import { addByHand } from './hand.js';
import { gridOf } from './geometry.js';
import { boxBetween, clamp, meantObject, objectAt, tokenAt, tokenBox, wholePixels } from './places.js';
import { get, on, set } from './store.js';

/** @typedef {import('./types.d.ts').Trigger} Trigger */

const REACH = 8; // screen pixels that a click may miss an object by
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
    const { drawFor } = get();
    if (drawFor !== 'inspect') {
      addByHand(drawFor, box);
      return;
    }
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
  on(['askBox'], ({ askBox }) => {
    if (!askBox) return;
    openObjectTab();
    chooseBox(askBox, trigger);
  });
  on(['drawing'], ({ drawing }) => {
    if (!drawing) set({ drawFor: 'inspect' });
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
    if (get().drawFor === 'inspect') set({ box: null, object: null });
  });
  veil.addEventListener('pointermove', (event) => {
    const now = start && point(event);
    if (start && now) set({ rubber: boxBetween(start, now) });
  });
  veil.addEventListener('pointercancel', giveUp);
  veil.addEventListener('pointerup', (event) => {
    const end = point(event);
    const { image } = get();
    if (!start || !end || !image) return;
    const drawn = Math.hypot(end.left - start.left, end.top - start.top) >= SMALLEST;
    const between = boxBetween(start, end);
    start = null;
    if (get().drawFor === 'inspect') {
      const box = drawn ? drawnBox(between, image) : clickedBox(end, view.imagePixels(REACH));
      set({ rubber: null, drawing: false });
      done(box);
    } else {
      set({ rubber: null }); // one region after the other
      done(drawn ? wholePixels(between, image) : clickedToken(end));
    }
  });
}

/**
 * A drawn box, or that of the known object that it is meant for.
 * @param {import('./types.d.ts').Box} box
 * @param {import('./types.d.ts').ImageValue} image
 */
const drawnBox = (box, image) => meantObject(wholePixels(box, image), image.objects)?.box ?? box;

/**
 * The box of the known object that is clicked, else of the token.
 * @param {{x: number, y: number}} at
 * @param {number} reach Image pixels that a click may miss an object by.
 * @returns {import('./types.d.ts').Box}
 */
function clickedBox(at, reach) {
  return objectAt(at, get().image?.objects ?? [], reach)?.box ?? clickedToken(at);
}

/**
 * The box of the token that is clicked, at the scale shown.
 * @param {{x: number, y: number}} at
 * @returns {import('./types.d.ts').Box}
 */
function clickedToken(at) {
  const { image, scale, model } = get();
  if (!image) throw new Error('a click without an image');
  const grid = gridOf(model, scale);
  return wholePixels(tokenBox(tokenAt(at, image, grid), image, grid), image);
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
