// The examples as pictures to choose from, and the questions that fit the one chosen.

import { flag, h, url } from './dom.js';
import { count } from './format.js';
import { follow, panel } from './gradio.js';
import { hooks } from './hooks.js';
import { on, set } from './store.js';
import { truthOf } from './truth.js';
import { readUploads } from './uploads.js';

/**
 * @typedef {import('./types.d.ts').PanelContext} PanelContext
 * @typedef {import('./types.d.ts').ExampleValue} ExampleValue
 * @typedef {import('./types.d.ts').ImageValue} ImageValue
 */

const SUGGESTIONS = 3;
const UPLOAD = 'Upload an image, or drop it here'; // as explorer.css shows it

/** @param {PanelContext} context */
export async function mount(context) {
  readUploads();
  nameUpload();
  const caption = h('p', { class: 'uhr-caption' });
  const cells = h('div', { class: 'uhr-gallery', role: 'group', 'aria-label': 'Examples' });
  panel(context).replaceChildren(h('h2', {}, 'Image'), cells, caption);

  /**
   * Send an event; whatever is under way is stopped.
   * @param {string} text
   * @param {string} event
   * @param {object} data
   */
  function send(text, event, data) {
    set({ progress: { state: 'running', text, fraction: 0 } });
    context.trigger(event, data);
  }
  /** @param {ExampleValue} example */
  const pick = ({ name }) => send('opening the example', 'pick', { name });

  hooks.openLink = (link) => send('opening the example', 'link', { link });

  let drawn = '';
  follow(context, (/** @type {{examples: ExampleValue[]} | null} */ value) => {
    if (!value || JSON.stringify(value) === drawn) return;
    drawn = JSON.stringify(value);
    set({ examples: value.examples });
    cells.replaceChildren(...value.examples.map((example) => thumbnail(example, () => pick(example))));
  });
  on(['image', 'examples'], ({ image }) => {
    for (const cell of cells.querySelectorAll('button')) {
      flag(cell, 'aria-pressed', cell.dataset.example === image?.example);
    }
    caption.replaceChildren(...(image ? captionOf(image) : []));
  });
}

/** Call the upload button what it reads; Gradio makes it again after an upload, with a name of its own. */
function nameUpload() {
  const upload = document.getElementById('upload');
  if (!upload) return;
  const name = () => upload.querySelector('.upload-container')?.setAttribute('aria-label', UPLOAD);
  new MutationObserver(name).observe(upload, { childList: true, subtree: true });
  name();
}

/**
 * @param {ExampleValue} example
 * @param {() => void} onclick
 */
const thumbnail = (example, onclick) =>
  h(
    'button',
    {
      type: 'button',
      class: 'uhr-thumb',
      'data-example': example.name,
      title: example.caption,
      'aria-label': `Example: ${example.title}. ${example.caption}`,
      onclick,
    },
    h('img', { src: url(example.thumbnail), alt: '', loading: 'lazy', width: 96, height: 96 }),
  );

/** @param {ImageValue} image */
const captionOf = ({ title, width, height, caption, notes }) => [
  h('b', {}, title),
  ` ${count(width)} × ${count(height)}. `,
  caption ?? '',
  ...notes.map((note) => h('span', { class: 'uhr-filenote' }, note)),
];

/**
 * Chips under the question; clicking one writes it into the question box (a `js=` event in app/page.py).
 * @param {PanelContext} context
 */
export async function mountSuggestions(context) {
  const root = panel(context);
  /** @param {string} text */
  function suggest(text) {
    set({ suggested: text });
    context.trigger('suggest', {});
  }
  /** @type {import('./types.d.ts').ImageValue | null} */
  let before = null;
  on(['image'], ({ image, question }) => {
    // An example's own question says nothing about another image, which comes with none.
    if (image && !image.questions.length && truthOf(before, question)) suggest('');
    before = image;
    const questions = image?.suggestions ?? [];
    root.hidden = !questions.length;
    root.replaceChildren(
      ...questions
        .slice(0, SUGGESTIONS)
        .map((text) =>
          h('button', { type: 'button', class: 'uhr-chip', title: text, onclick: () => suggest(text) }, text),
        ),
    );
  });
}
