// Two large buttons: tokens chosen as the released code does, or in our way.

import { flag, h } from './dom.js';
import { begin, follow, panel } from './gradio.js';
import { hooks } from './hooks.js';
import { get, on } from './store.js';
import { wayOf } from './ways.js';

/** @typedef {import('./ways.js').Ways} Ways */

const LABELS = {
  released: [
    'As released',
    'Tokens scored by the language model’s attention at 672 px, as in the released code',
  ],
  ours: ['Ours', 'Tokens of every scale scored by their similarity to the question'],
};

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  /** @type {Ways} */
  let ways = {};
  let asked = '';
  const buttons = Object.entries(LABELS).map(([way, [label, title]]) =>
    h(
      'button',
      { type: 'button', class: 'uhr-way', 'data-way': way, title, onclick: () => choose(way) },
      label,
    ),
  );
  panel(context).replaceChildren(
    h('h2', {}, 'How tokens are scored'),
    h('div', { class: 'uhr-ways', role: 'group', 'aria-label': 'How tokens are scored' }, buttons),
  );

  /** @param {string} way */
  function choose(way) {
    if (get().image) begin(context.trigger, 'choose', { way });
  }

  follow(context, (/** @type {{ways: Ways, ask?: string} | null} */ value) => {
    ways = value?.ways ?? {};
    press();
    if (!value?.ask || value.ask === asked) return;
    asked = value.ask;
    setTimeout(() => hooks.ask()); // after what comes with it: the choices, and that nothing is under way
  });
  on(['answer'], press);

  function press() {
    const { answer } = get();
    const now = answer ? wayOf(answer.method, ways) : null;
    for (const button of buttons) flag(button, 'aria-pressed', button.dataset.way === now);
  }
}
