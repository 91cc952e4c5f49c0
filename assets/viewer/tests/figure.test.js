import assert from 'node:assert/strict';
import { test } from 'node:test';

import { figureQuery } from '../figure.js';

const STATE = {
  scale: 4032,
  budgets: [80, 320, 600, 2000],
  view: [10, 20, 300, 400],
  link: 'https://a.org/?q=a b',
};

test('a figure asks for what the viewer shows, its panels in one order', () => {
  const query = new URLSearchParams(figureQuery({ panels: ['fate', 'overview'], width: '3.3' }, STATE));
  assert.deepEqual(Object.fromEntries(query), {
    scale: '4032',
    budgets: '80-320-600-2000',
    panels: 'overview,fate',
    width: '3.3',
    view: '10,20,300,400',
    link: 'https://a.org/?q=a b',
  });
});

test('an uploaded image has no link, and no view is the whole image', () => {
  const query = new URLSearchParams(
    figureQuery({ panels: ['image'], width: '7' }, { ...STATE, view: null, link: null }),
  );
  assert.equal(query.has('view') || query.has('link'), false);
});
