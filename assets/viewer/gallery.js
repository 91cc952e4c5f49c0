// The examples as pictures to choose from, and the questions that fit the one chosen.

import { count, follow, get, h, on, set, url } from './store.js';

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  const caption = h('p', { class: 'uhr-caption' });
  const cells = h('div', { class: 'uhr-gallery', role: 'group', 'aria-label': 'Examples' });
  root.replaceChildren(h('h3', {}, 'Image'), cells, caption);
  let drawn = '';

  follow(context, (value) => {
    if (!value || JSON.stringify(value) === drawn) return;
    drawn = JSON.stringify(value);
    set({ examples: value.examples });
    cells.replaceChildren(...value.examples.map((example) => h('button', { type: 'button', class: 'uhr-thumb',
      'data-example': example.name, title: example.caption, 'aria-label': `Example: ${example.title}. ${example.caption}`,
      onclick: () => pick(example) },
    h('img', { src: url(example.thumbnail), alt: '', loading: 'lazy', width: 96, height: 96 }))));
  });
  /** Show an example; whatever is under way is stopped. */
  function pick(example) {
    set({ progress: { state: 'running', text: 'opening the example', fraction: 0 } });
    context.trigger('pick', { name: example.name });
  }
  on('image examples', ({ image }) => {
    for (const cell of cells.children) cell.setAttribute('aria-pressed', cell.dataset.example === image?.example);
    caption.replaceChildren(...(image ? [h('b', {}, image.title), ` ${count(image.width)} × ${count(image.height)}. `,
      image.caption ?? '', ...(image.notes ?? []).map((note) => h('span', { class: 'uhr-filenote' }, note))] : []));
  });
}

/** Chips under the question; clicking one writes it into the question box (a `js=` event in app/page.py). */
export async function mountSuggestions(context) {
  const root = context.element.querySelector('.uhr-panel');
  on('image', ({ image }) => {
    root.hidden = !image?.questions?.length;
    root.replaceChildren(...(image?.questions ?? []).slice(0, 3).map(({ text }) => h('button', { type: 'button', class: 'uhr-chip',
      title: text, onclick: () => { set({ suggested: text }); context.trigger('suggest', {}); } }, text)));
  });
  window.UHRBAT.suggested = () => get().suggested ?? '';
}
