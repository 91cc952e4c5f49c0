// Ask, Cancel, and the one bar that moves while anything long is under way.

import { begin, follow, get, h, on, set } from './store.js';

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  const ask = h(
    'button',
    { type: 'button', class: 'uhr-ask', onclick: () => begin(context.trigger, 'ask') },
    'Ask',
  );
  const cancel = h('button', { type: 'button', class: 'uhr-cancel', onclick: stop }, 'Cancel');
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
  const text = h('p', { class: 'uhr-note uhr-status', role: 'status' });
  root.replaceChildren(h('div', { class: 'uhr-askrow' }, ask, cancel), bar, text);

  let stopped = null; // the job that was cancelled: news of it may still be on its way
  function stop() {
    stopped = get().progress?.job ?? 'the next';
    context.trigger('cancel', {});
    set({ progress: { state: 'idle', text: 'Stopped.', fraction: 0, job: stopped } });
  }
  window.UHRBAT.ask = () => begin(context.trigger, 'ask');

  follow(context, (value) => {
    if (value?.state === 'running') {
      if (stopped === 'the next') stopped = value.job;
      if (value.job === stopped) return;
    }
    set({ progress: value });
  });
  on('progress', ({ progress }) => {
    const running = progress?.state === 'running';
    set({ busy: running });
    root.dataset.state = progress?.state ?? 'idle';
    ask.disabled = running;
    cancel.hidden = !running;
    fill.style.width = `${100 * (progress?.fraction ?? 0)}%`;
    bar.hidden = !running;
    bar.setAttribute('aria-valuenow', Math.round(100 * (progress?.fraction ?? 0)));
    text.textContent = progress?.text ?? '';
  });
}
