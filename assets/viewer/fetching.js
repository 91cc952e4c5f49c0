// An image opened by its address on the web: a field that is there only where the explorer's settings allow some host.

import { h } from './dom.js';
import { follow, panel } from './gradio.js';
import { set } from './store.js';

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const field = h('input', {
    type: 'url',
    'aria-label': 'Address of an image',
    placeholder: 'or its address: https://…',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  /** @param {Event} event */
  function onsubmit(event) {
    event.preventDefault();
    set({ progress: { state: 'running', text: 'fetching the image', fraction: 0 } });
    context.trigger('open', { address: field.value });
  }
  const root = panel(context);
  root.replaceChildren(
    // What is wrong with an address is said by the explorer, in its own words.
    h(
      'form',
      { class: 'uhr-fetching', novalidate: true, onsubmit },
      field,
      h('button', { type: 'submit', class: 'uhr-small' }, 'Open'),
    ),
  );
  follow(context, (/** @type {{allowed: boolean} | null} */ value) => {
    root.hidden = !value?.allowed;
  });
}
