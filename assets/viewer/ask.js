// Ask, Cancel, and the one bar that moves while anything long is under way.

import { flag, h, url } from './dom.js';
import { begin, follow, panel } from './gradio.js';
import { hooks } from './hooks.js';
import { get, on, set } from './store.js';
import { stopping } from './stopping.js';

/** @typedef {import('./types.d.ts').Progress} Progress */

const SILENCE = 5000; // milliseconds
const GONE = 'The explorer does not answer: it was stopped, or the connection is lost. Reload the page.';

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const root = panel(context);
  const start = () => begin(context.trigger, 'ask');
  const ask = h('button', { type: 'button', class: 'uhr-ask', title: 'Ask (Enter)', onclick: start }, 'Ask');
  const cancel = h('button', { type: 'button', class: 'uhr-cancel', onclick: stop }, 'Cancel');
  const { bar, show } = progressBar();
  const text = h('p', { class: 'uhr-note uhr-status', role: 'status' });
  root.replaceChildren(h('div', { class: 'uhr-askrow' }, ask, cancel), bar, text);
  hooks.ask = start;
  enterAsks(start);
  watchServer();

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
    flag(ask, 'aria-disabled', running); // it stays focusable, so that the focus is not lost while it runs
    cancel.hidden = !running;
    show(running || progress?.state === 'ahead', progress?.fraction ?? 0);
    text.textContent = progress?.text ?? '';
  });
}

/**
 * Enter in the question box asks; with Shift it breaks the line.
 * @param {() => void} start
 */
function enterAsks(start) {
  /** @param {KeyboardEvent} event */
  function pressed(event) {
    const { type, target, key, shiftKey, isComposing } = event;
    if (key !== 'Enter' || isComposing) return;
    if (!(target instanceof HTMLTextAreaElement) || !target.closest('#question')) return;
    event.stopPropagation(); // Gradio submits with Shift and breaks the line without it
    if (shiftKey) return;
    event.preventDefault();
    if (type === 'keydown') start();
  }
  for (const type of /** @type {const} */ (['keydown', 'keypress'])) {
    document.addEventListener(type, pressed, true);
  }
}

/** While something is under way and nothing is heard of it: is the page's server still there? */
function watchServer() {
  let timer = 0;
  on(['progress'], ({ progress }) => {
    clearTimeout(timer);
    if (progress?.state === 'running') timer = window.setTimeout(check, SILENCE);
  });
  async function check() {
    const { progress, model } = get();
    const there = await fetch(url(model.shares), { cache: 'no-store' }).then(
      () => true,
      () => false,
    );
    if (get().progress !== progress) return;
    if (there) timer = window.setTimeout(check, SILENCE);
    else set({ progress: { state: 'failed', text: GONE, fraction: 0 } });
  }
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
