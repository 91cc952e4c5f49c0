// Draws a box with mouse, pen or finger, on a veil over the map, and tells Python about it.

import { tokenAt, tokenBox } from './places.js';
import { get, h, on, set } from './store.js';

const SMALLEST = 3; // screen pixels; anything shorter is a click, and takes the token under it

export function boxTool(root, host, view, trigger) {
  const veil = h('div', { class: 'uhr-veil', 'aria-hidden': 'true', hidden: true });
  host.append(veil);
  let start = null;

  const point = (event) => {
    const { image } = get();
    const at = view.toImage(view.map.mouseEventToLatLng(event));
    return {
      x: clamp(at.x, image.width),
      y: clamp(at.y, image.height),
      left: event.clientX,
      top: event.clientY,
    };
  };
  const box = (a, b) => [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)];

  veil.addEventListener('pointerdown', (event) => {
    if (event.button || !get().image) return;
    event.preventDefault();
    event.stopPropagation();
    veil.setPointerCapture(event.pointerId);
    start = point(event);
    set({ box: null, object: null });
  });
  veil.addEventListener('pointermove', (event) => {
    if (start) set({ rubber: box(start, point(event)) });
  });
  veil.addEventListener('pointercancel', () => {
    start = null;
    set({ rubber: null });
  });
  veil.addEventListener('pointerup', (event) => {
    if (!start) return;
    const end = point(event);
    const drawn = Math.hypot(end.left - start.left, end.top - start.top) >= SMALLEST;
    const { image, scale } = get();
    const result = drawn ? box(start, end) : tokenBox(tokenAt(end, image, scale), image, scale);
    start = null;
    set({ rubber: null, drawing: false });
    openObjectTab();
    chooseBox(result, trigger);
  });
  // The same box again: another question, or budgets for each scale, for which no verdict has been sent along.
  const again = () => {
    const { box, maps, image } = get();
    if (box && maps) trigger('box', { box, image: image.id });
  };
  on('maps', again);
  on('settled', ({ settled }) => settled?.perScale && again());
  on('askBox', ({ askBox }) => askBox && chooseBox(askBox, trigger));
  on('drawing', ({ drawing }) => {
    veil.hidden = !drawing;
    root.classList.toggle('drawing', Boolean(drawing));
  });
}

/** What becomes of a drawn box is told in the Object tab, the first. */
function openObjectTab() {
  document
    .querySelector('#tabs [role=tab]:not(.selected)')
    ?.parentElement.querySelector('[role=tab]')
    ?.click();
}

/** Make a box the page's object: at least one pixel, on whole pixels, inside the image. */
export function chooseBox(box, trigger) {
  const { image } = get();
  if (!image) return;
  const [x0, y0] = [
    Math.min(Math.floor(box[0]), image.width - 1),
    Math.min(Math.floor(box[1]), image.height - 1),
  ];
  const whole = [x0, y0, Math.max(x0 + 1, Math.ceil(box[2])), Math.max(y0 + 1, Math.ceil(box[3]))];
  set({ box: whole, object: null });
  trigger('box', { box: whole, image: image.id });
}

const clamp = (value, most) => Math.max(0, Math.min(most, value));
