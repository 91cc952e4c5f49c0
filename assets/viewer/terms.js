// What the words of the page mean.

import { h } from './dom.js';

export const terms = () =>
  h(
    'p',
    { class: 'uhr-terms' },
    h('b', {}, 'A token'),
    ' is a square of 14 pixels of the image, at one of four sizes. ',
    h('b', {}, 'The budget'),
    ' is how many of them the language model gets. ',
    h('b', { class: 'is-term preserved' }, 'Preserved'),
    ' tokens are passed to it unchanged, ',
    h('b', { class: 'is-term merged' }, 'merged'),
    ' ones averaged with similar tokens, ',
    h('b', {}, 'dropped'),
    ' ones not at all.',
  );
