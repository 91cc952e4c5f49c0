// Single keys of the viewer.

import { get, set } from './store.js';
import { pin } from './sides.js';

/** @typedef {import('./types.d.ts').Layer} Layer */

/** What can lie over the image, each with its key. @type {Record<Layer, {label: string, key: string, tip: string}>} */
export const LAYERS = {
  seen: {
    label: 'What the model sees',
    key: 's',
    tip: 'Preserved tokens as they are, merged ones as their average, dropped ones black (key s)',
  },
  fate: {
    label: 'Kept or lost',
    key: 'f',
    tip: 'Preserved tokens outlined, merged ones the stronger the more they are mixed, dropped ones dark (key f)',
  },
  importance: {
    label: 'Importance',
    key: 'h',
    tip: 'How relevant each token is to this question (key h)',
  },
  regions: {
    label: 'Regions',
    key: 'r',
    tip: 'The partition inside which tokens are merged (key r)',
  },
  image: { label: 'Image', key: 'i', tip: 'The image alone (key i)' },
};

const STEP = 80; // screen pixels an arrow key moves, as in Leaflet
const TYPING = 'input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]';

/**
 * Keys work while the pointer is over the viewer or the viewer has the focus.
 * @param {HTMLElement} root
 * @param {import('./viewer.js').View} view
 */
export function keys(root, view) {
  let over = false;
  root.addEventListener('pointerenter', () => {
    over = true;
  });
  root.addEventListener('pointerleave', () => {
    over = false;
  });
  document.addEventListener('keydown', (event) => {
    const inside = over || root.contains(document.activeElement);
    if (!inside || isForOthers(event)) return;
    const action = actionOf(event.key, view);
    if (!action) return;
    action();
    event.preventDefault();
  });
}

/** Whether a key belongs to a field, a slider, or the browser. @param {KeyboardEvent} event */
function isForOthers({ target, key, defaultPrevented, ctrlKey, metaKey, altKey }) {
  if (defaultPrevented || ctrlKey || metaKey || altKey) return true;
  if (!(target instanceof Element)) return false;
  const sliding = target instanceof HTMLInputElement && target.type === 'range' && key.startsWith('Arrow');
  return sliding || target.closest(TYPING) != null;
}

/**
 * What a key does; undefined where it does nothing.
 * @param {string} key
 * @param {import('./viewer.js').View} view
 * @returns {(() => unknown) | undefined}
 */
export function actionOf(key, view) {
  const { scales } = get().model;
  const layer = /** @type {Layer[]} */ (Object.keys(LAYERS)).find((each) => LAYERS[each].key === key);
  if (layer) return () => set({ layer });
  if (/^[1-9]$/.test(key) && scales[+key - 1]) return () => set({ scale: scales[+key - 1] });
  // Leaflet's own keys need the focus on the map; these work wherever the pointer brings one.
  /**
   * @param {number} x
   * @param {number} y
   */
  const pan = (x, y) => () =>
    document.activeElement !== view.map.getContainer() && view.map.panBy([x * STEP, y * STEP]);
  /** @type {Record<string, () => unknown>} */
  const others = {
    0: () => view.fit(),
    b: () => set({ drawing: !get().drawing }),
    d: pin,
    o: () => set({ showObjects: !get().showObjects }),
    Escape: () => set({ drawing: false, rubber: null }),
    ArrowLeft: pan(-1, 0),
    ArrowRight: pan(1, 0),
    ArrowUp: pan(0, -1),
    ArrowDown: pan(0, 1),
    '+': () => view.map.zoomIn(),
    '=': () => view.map.zoomIn(),
    '-': () => view.map.zoomOut(),
    _: () => view.map.zoomOut(),
  };
  return Object.hasOwn(others, key) ? others[key] : undefined;
}
