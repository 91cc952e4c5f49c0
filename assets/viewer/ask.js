// Ask, Cancel, and the one bar that moves while anything long is under way.

import { h } from './dom.js';
import { begin, follow, panel } from './gradio.js';
import { hooks } from './hooks.js';
import { get, on, set } from './store.js';
import { stopping } from './stopping.js';

/** @typedef {import('./types.d.ts').Progress} Progress */

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const root = panel(context);
  const start = () => begin(context.trigger, 'ask');
  const ask = h('button', { type: 'button', class: 'uhr-ask', onclick: start }, 'Ask');
  const cancel = h('button', { type: 'button', class: 'uhr-cancel', onclick: stop }, 'Cancel');
  const { bar, show } = progressBar();
  const text = h('p', { class: 'uhr-note uhr-status', role: 'status' });
  root.replaceChildren(h('div', { class: 'uhr-askrow' }, ask, cancel), bar, text);
  hooks.ask = start;

  const stopped = stopping();
  function stop() {
    const job = stopped.stop(get().progress?.job);
    context.trigger('cancel', {});
    set({ progress: { state: 'idle', text: 'Stopped.', fraction: 0, job } });
  }

  follow(context, (/** @type {Progress | null} */ value) => {
    const ahead = value?.state === 'ahead' || value?.state === 'ready';
    if (ahead && get().busy) return; // a question has begun meanwhile, and says itself how far it is
    if (!stopped.isAbout(value)) set({ progress: value });
  });
  on(['progress'], ({ progress }) => {
    const running = progress?.state === 'running';
    set({ busy: running });
    root.dataset.state = progress?.state ?? 'idle';
    ask.disabled = running;
    cancel.hidden = !running;
    show(running || progress?.state === 'ahead', progress?.fraction ?? 0);
    text.textContent = progress?.text ?? '';
  });
}

function progressBar() {
  const fill = h('i');
  const bar = h(
    'div',
    {
      class: 'uhr-progress',
      role: 'progressbar',
      'aria-label': 'Progress',
      'aria-valuemin': 0,
      'aria-valuemax': 100,
    },
    fill,
  );
  /**
   * @param {boolean} running
   * @param {number} fraction
   */
  function show(running, fraction) {
    fill.style.width = `${100 * fraction}%`;
    bar.hidden = !running;
    bar.setAttribute('aria-valuenow', String(Math.round(100 * fraction)));
  }
  return { bar, show };
}
