// The examples as pictures to choose from, and the questions that fit the one chosen.

import { count, follow, get, h, on, set, url } from './store.js';

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  const caption = h('p', { class: 'uhr-caption' });
  const cells = h('div', { class: 'uhr-gallery', role: 'group', 'aria-label': 'Examples' });
  const chooser = h('div');
  root.replaceChildren(h('h3', {}, 'Image'), cells, caption, chooser);
  let drawn = '';

  follow(context, (value) => {
    if (!value || JSON.stringify(value) === drawn) return;
    drawn = JSON.stringify(value);
    set({ examples: value.examples });
    cells.replaceChildren(
      ...value.examples.map((example) =>
        h(
          'button',
          {
            type: 'button',
            class: 'uhr-thumb',
            'data-example': example.name,
            title: example.caption,
            'aria-label': `Example: ${example.title}. ${example.caption}`,
            onclick: () => pick(example),
          },
          h('img', { src: url(example.thumbnail), alt: '', loading: 'lazy', width: 96, height: 96 }),
        ),
      ),
    );
  });
  /** Show an example; whatever is under way is stopped. */
  function pick(example) {
    set({ progress: { state: 'running', text: 'opening the example', fraction: 0 } });
    context.trigger('pick', { name: example.name });
  }
  /** Show other bands of the file; the model sees the same. */
  function chooseBands(bands) {
    set({ progress: { state: 'running', text: 'reading the bands', fraction: 0 } });
    context.trigger('bands', { bands });
  }
  on('image', ({ image }) =>
    chooser.replaceChildren(...(image?.bands ? [bandForm(image.bands, chooseBands)] : [])),
  );
  on('image examples', ({ image }) => {
    for (const cell of cells.children)
      cell.setAttribute('aria-pressed', cell.dataset.example === image?.example);
    caption.replaceChildren(
      ...(image
        ? [
            h('b', {}, image.title),
            ` ${count(image.width)} × ${count(image.height)}. `,
            image.caption ?? '',
            ...(image.notes ?? []).map((note) => h('span', { class: 'uhr-filenote' }, note)),
          ]
        : []),
    );
  });
}

/** Which bands of a file are shown as red, green and blue. */
function bandForm({ names, shown }, choose) {
  const fields = ['red', 'green', 'blue'].map((color, i) =>
    h(
      'select',
      { 'aria-label': `Band shown as ${color}`, title: `Shown as ${color}` },
      names.map((name, band) =>
        h(
          'option',
          { value: band + 1, selected: band + 1 === (shown[i] ?? shown[0]) },
          ['undefined', 'gray'].includes(name) ? `band ${band + 1}` : `${band + 1} ${name}`,
        ),
      ),
    ),
  );
  return h(
    'form',
    {
      class: 'uhr-bands',
      onsubmit: (event) => {
        event.preventDefault();
        choose(fields.map((field) => +field.value));
      },
    },
    fields,
    h('button', { type: 'submit', class: 'uhr-small' }, 'Show'),
  );
}

/** Chips under the question; clicking one writes it into the question box (a `js=` event in app/page.py). */
export async function mountSuggestions(context) {
  const root = context.element.querySelector('.uhr-panel');
  on('image', ({ image }) => {
    root.hidden = !image?.questions?.length;
    root.replaceChildren(
      ...(image?.questions ?? []).slice(0, 3).map(({ text }) =>
        h(
          'button',
          {
            type: 'button',
            class: 'uhr-chip',
            title: text,
            onclick: () => {
              set({ suggested: text });
              context.trigger('suggest', {});
            },
          },
          text,
        ),
      ),
    );
  });
  window.UHRBAT.suggested = () => get().suggested ?? '';
}
