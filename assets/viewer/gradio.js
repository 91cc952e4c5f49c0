// The seam to Gradio: a panel's element, its value, and the events it sends to Python.

import { get, set } from './store.js';

/** @typedef {import('./types.d.ts').PanelContext} PanelContext */

/** The element that a panel draws into. @param {PanelContext} context */
export function panel({ element }) {
  const root = element.querySelector('.uhr-panel');
  if (!(root instanceof HTMLElement)) throw new Error('a panel without .uhr-panel');
  return root;
}

/**
 * Apply a panel's value from Python now and whenever it changes. It is Gradio's live proxy, which structuredClone
 * refuses; as JSON it becomes our own.
 * @template Value
 * @param {PanelContext} context
 * @param {(value: Value | null) => void} apply
 */
export function follow({ props, watch }, apply) {
  const run = () => apply(props.value ? JSON.parse(JSON.stringify(props.value)) : null);
  watch('value', run);
  run();
}

/**
 * Begin something long, unless something long is under way: the bar moves at once, Python takes over.
 * @param {import('./types.d.ts').Trigger} trigger
 * @param {string} event
 * @param {object} [data]
 */
export function begin(trigger, event, data = {}) {
  if (get().busy) return;
  set({ progress: { state: 'running', text: 'starting', fraction: 0 } });
  trigger(event, data);
}
