// What the words of the page mean.

import { h } from './dom.js';
import { patchOf } from './geometry.js';
import { on } from './store.js';

export function terms() {
  const size = h('span');
  on(['model'], ({ model }) => {
    size.textContent = ` is a square of ${patchOf(model)} pixels of the image, at one of ${model.scales.length} sizes. `;
  });
  return h(
    'p',
    { class: 'uhr-terms' },
    h('b', {}, 'A token'),
    size,
    h('b', {}, 'The budget'),
    ' is how many of them the language model gets. ',
    h('b', { class: 'is-term preserved' }, 'Preserved'),
    ' tokens are passed to it unchanged, ',
    h('b', { class: 'is-term merged' }, 'merged'),
    ' ones averaged with similar tokens, ',
    h('b', {}, 'dropped'),
    ' ones not at all.',
  );
}
