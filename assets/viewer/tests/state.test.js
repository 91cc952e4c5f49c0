import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createStore } from '../state.js';
import { get, on, set } from '../store.js';

const start = () => createStore({ a: 1, b: 'x', c: /** @type {number[] | null} */ (null) });

test('a listener is called at once and after a change of its keys, once a change', () => {
  const store = start();
  /** @type {string[]} */
  const seen = [];
  store.on(['a', 'b'], ({ a, b }) => seen.push(`${a}${b}`));
  store.set({ a: 2, b: 'y' });
  store.set({ c: [1] });
  store.set({ a: 2 });
  assert.deepEqual(seen, ['1x', '2y']);
});

test('a listener may change the state', () => {
  const store = start();
  store.on(['a'], ({ a }) => store.set({ b: `from ${a}` }));
  store.set({ a: 5 });
  assert.equal(store.get().b, 'from 5');
});

test('a key that is not declared is refused, and nothing is changed', () => {
  const store = start();
  const patch = /** @type {{a: number}} */ ({ a: 9, typo: 1 });
  assert.throws(() => store.set(patch), /no "typo"/);
  assert.equal(store.get().a, 1);
  assert.throws(() => store.on([/** @type {'a'} */ ('typo')], () => {}), /no "typo"/);
});

test('start values are not shared between stores', () => {
  const [one, other] = [start(), start()];
  one.set({ a: 7 });
  assert.equal(other.get().a, 1);
});

test('onFrame draws once for many changes in a frame', () => {
  /** @type {FrameRequestCallback[]} */
  const frames = [];
  globalThis.requestAnimationFrame = (draw) => frames.push(draw);
  const store = start();
  /** @type {number[]} */
  const drawn = [];
  store.onFrame(['a'], ({ a }) => drawn.push(a));
  store.set({ a: 2 });
  store.set({ a: 3 });
  frames.splice(0).forEach((draw) => draw(0));
  store.set({ a: 4 });
  frames.splice(0).forEach((draw) => draw(0));
  assert.deepEqual(drawn, [3, 4]);
});

test("the page's store knows its keys, starts as Python says and refuses others", () => {
  assert.equal(get().budget.total, 3000);
  assert.equal(get().scale, 4032);
  assert.equal(get().notice, '');
  assert.throws(() => set(/** @type {{}} */ ({ nonsense: 1 })), /no "nonsense"/);
  let question = '';
  on(['question'], (state) => (question = state.question));
  set({ question: 'Where?' });
  assert.equal(question, 'Where?');
});
