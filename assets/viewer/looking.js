// Looks: how many tiles of the file's own pixels the next question looks at, and what that takes.

import { chooseBudget } from './budgets.js';
import { h } from './dom.js';
import { count, plural, seconds, sum } from './format.js';
import { choices, lookSeconds, tilesOf } from './native.js';
import { get, on, set } from './store.js';

const WHAT =
  'Beyond the finest scale, tiles of the file’s own pixels are looked at: those that stand out and concern the question';

/**
 * The slider of looks with its seconds, shown only where the picture is larger than the finest scale.
 * @param {() => void} tell Python is to learn of the looks.
 */
export function looking(tell) {
  const input = h('input', { type: 'range', min: 0, step: 1, class: 'uhr-slider', 'aria-label': 'Looks' });
  const text = h('p', { class: 'uhr-note' });
  const root = h('div', { class: 'uhr-looks', hidden: true }, h('h3', { title: WHAT }, 'Looks'), input, text);
  /** @type {number[]} */
  let steps = [];
  input.addEventListener('input', () => {
    set({ looks: steps[+input.value] ?? 0 });
    if (get().looks && get().budget.perScale) chooseBudget(get().budget.total); // numbers a scale know no native ones
    tell();
  });
  on(['looks', 'image', 'model', 'cost', 'answer'], ({ looks, image, model, cost, answer }) => {
    const tiles = tilesOf(model, image);
    steps = choices(tiles, cost?.most_looks);
    root.hidden = !steps.length;
    if (!image || !steps.length) {
      // Which tiles there are depends on the model, and its cost says that it is known.
      if (looks && image && cost && !tiles) {
        set({ looks: 0 });
        tell();
      }
      return;
    }
    const at = Math.max(
      0,
      steps.findLastIndex((step) => step <= looks),
    );
    input.max = String(steps.length - 1);
    input.value = String(at);
    input.style.setProperty('--filled', `${(at / (steps.length - 1)) * 100}%`);
    input.setAttribute('aria-valuetext', plural(looks, 'look'));
    const takes = lookSeconds(cost, image, looks);
    const looked = sum(Object.values(model.looked ?? {}).map((each) => each.length));
    text.textContent = [
      `${looks ? count(looks) : 'none'} of ${count(tiles)} tiles of the file’s own pixels`,
      looks ? (takes == null ? 'time known after the first answer' : `about ${seconds(takes)}`) : null,
      answer && looked !== looks ? 'ask again to change what is looked at' : null,
    ]
      .filter(Boolean)
      .join(' · ');
  });
  return root;
}
