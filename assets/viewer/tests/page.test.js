import assert from 'node:assert/strict';
import { test } from 'node:test';

import { arrive, followArrival } from '../arrive.js';
import { h, shown, url } from '../dom.js';
import { begin, follow } from '../gradio.js';
import { hooks, keepMark } from '../hooks.js';
import { actionOf } from '../keys.js';
import { get, set } from '../store.js';
import { IMAGE } from './made.js';

class FakeElement {
  /** @type {Record<string, string>} */
  attributes = {};
  /** @type {unknown[]} */
  children = [];
  /** @type {Record<string, unknown>} */
  listeners = {};
  style = { cssText: '' };

  /**
   * @param {string} name
   * @param {string} value
   */
  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  /**
   * @param {string} name
   * @param {unknown} listener
   */
  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }

  /** @param {unknown[]} children */
  append(...children) {
    this.children.push(...children);
  }
}
Object.assign(globalThis.document, { createElement: () => new FakeElement() });

test('an element’s attributes, listeners and children', () => {
  const onclick = () => {};
  const made = /** @type {FakeElement} */ (
    /** @type {unknown} */ (
      h(
        'p',
        {
          class: 'a',
          hidden: true,
          title: null,
          id: undefined,
          disabled: false,
          width: 0,
          style: 'top:0',
          onclick,
        },
        ['one', null, false],
        'two',
        undefined,
      )
    )
  );
  assert.deepEqual(made.attributes, { class: 'a', hidden: '', width: '0' });
  assert.equal(made.style.cssText, 'top:0');
  assert.deepEqual(made.listeners, { click: onclick });
  assert.deepEqual(made.children, ['one', 'two']);
  assert.deepEqual(shown(['a', '', null, false, undefined]), ['a', '']);
});

test('addresses lie beside the scripts’ folder, and braces survive', () => {
  assert.ok(url('tile/{z}.jpg').endsWith('/assets/tile/{z}.jpg'));
});

test('a panel’s value is copied, at once and when it changes', () => {
  const value = { a: [1] };
  /** @type {unknown[]} */
  const seen = [];
  let change = () => {};
  const props = { value: /** @type {unknown} */ (value) };
  const context = {
    props,
    watch: (/** @type {string} */ _name, /** @type {() => void} */ run) => (change = run),
  };
  follow(/** @type {import('../types.d.ts').PanelContext} */ (/** @type {unknown} */ (context)), (now) =>
    seen.push(now),
  );
  props.value = null;
  change();
  assert.deepEqual(seen, [{ a: [1] }, null]);
  assert.notEqual(seen[0], value);
});

test('something long begins only while nothing long is under way', () => {
  /** @type {string[]} */
  const events = [];
  set({ busy: true });
  begin((event) => events.push(event), 'ask');
  set({ busy: false });
  begin((event) => events.push(event), 'sweep');
  assert.deepEqual(events, ['sweep']);
  assert.equal(get().progress?.state, 'running');
});

test('the older measured moments go', () => {
  for (let i = 0; i <= 5000; i++) keepMark({ what: 'paint', took: i });
  assert.equal(hooks.marks.length, 2501);
  assert.equal(hooks.marks.at(-1)?.took, 5000);
});

test('keys of the viewer', () => {
  /** @type {unknown[]} */
  const calls = [];
  const view = /** @type {import('../viewer.js').View} */ (
    /** @type {unknown} */ ({
      fit: () => calls.push('fit'),
      map: {
        zoomIn: () => calls.push('in'),
        getContainer: () => null,
        panBy: (/** @type {number[]} */ by) => calls.push(by),
      },
    })
  );
  const press = (/** @type {string} */ key) => actionOf(key, view)?.();
  press('2');
  assert.equal(get().scale, 1344);
  press('h');
  assert.equal(get().layer, 'importance');
  press('b');
  assert.equal(get().drawing, true);
  press('Escape');
  assert.equal(get().drawing, false);
  for (const key of ['0', '=', 'ArrowLeft']) press(key);
  assert.deepEqual(calls, ['fit', 'in', [-80, 0]]);
  for (const key of ['5', 'x', 'toString']) assert.equal(actionOf(key, view), undefined);
});

test('what a link asks for comes when what it needs is there, once', () => {
  globalThis.requestAnimationFrame = (draw) => {
    draw(0);
    return 0;
  };
  /** @type {unknown[]} */
  const went = [];
  hooks.view = /** @type {import('../viewer.js').View} */ (
    /** @type {unknown} */ ({ goWhere: (/** @type {number[]} */ where) => went.push(where) })
  );
  followArrival();
  arrive({
    example: 'airfield',
    q: 'Where?',
    layer: 'regions',
    scale: '2688',
    view: '1,2,3',
    box: '1,2,3,4',
  });
  assert.deepEqual([get().layer, get().scale], ['regions', 2688]);
  set({ image: { ...IMAGE, example: 'other' } });
  assert.deepEqual(went, []);
  set({ image: { ...IMAGE } });
  set({ image: { ...IMAGE } });
  assert.deepEqual(went, [[1, 2, 3]]);
  set({ maps: { id: 'm', question: 'Where?', importance: 'similarity', scales: [] } });
  assert.deepEqual(get().askBox, [1, 2, 3, 4]);
  arrive({ example: 'airfield', scale: '5' });
  assert.equal(get().scale, 2688, 'a scale that there is not is ignored');
});
