// What lies under the pointer, in a line over the map.

import { budgets } from './budgets.js';
import { h } from './dom.js';
import { count } from './format.js';
import { gridOf } from './geometry.js';
import { mapText, placeName, tokenAt } from './places.js';
import { get, onFrame } from './store.js';

/**
 * @param {HTMLElement} host
 * @param {import('./viewer.js').View} view
 */
export function readout(host, view) {
  const output = h('output', { class: 'uhr-readout', 'aria-live': 'off' });
  host.append(output);
  /** @type {{x: number, y: number} | null} */
  let at = null;
  const write = () => {
    output.textContent = at ? describe(at, get(), budgets()) : '';
  };
  host.addEventListener('pointermove', (event) => {
    at = get().image ? view.at(event) : null;
    write();
  });
  host.addEventListener('pointerleave', () => {
    at = null;
    write();
  });
  onFrame(['budget', 'scale', 'tokens'], write);
}

/**
 * The line for a position in image pixels; '' outside the image.
 * @param {{x: number, y: number}} at
 * @param {Pick<import('./store.js').State, 'image' | 'tokens' | 'scale' | 'maps' | 'model'>} state
 * @param {ArrayLike<number>} each The budget of each scale.
 */
export function describe(at, { image, tokens, scale, maps, model }, each) {
  const { x, y } = at;
  if (!image || x < 0 || y < 0 || x >= image.width || y >= image.height) return '';
  const [row, col] = tokenAt(at, image, gridOf(model, scale));
  const parts = [`x ${count(x)} y ${count(y)}`];
  if (image.place) parts.push(`${mapText(x, y, image)} ${placeName(image.place)}`);
  parts.push(`scale ${scale} token (${row}, ${col})`);
  const own = tokens?.get(scale);
  if (own && maps) {
    const index = row * own.grid + col;
    const budget = each[maps.scales.findIndex(({ size }) => size === scale)];
    const rank = own.rank[index];
    if (own.unlooked?.[index]) return [...parts, 'not looked at'].join(' · ');
    if (own.importance) parts.push(`importance ${own.importance[index].toFixed(3)}`);
    parts.push(rank > own.count ? 'never enters' : `rank ${count(rank)}`, own.fate(index, budget));
  }
  return parts.join(' · ');
}
