// Explanations are titles: a mouse shows them by itself; here a tap on a term that does nothing else does.

import { h } from './store.js';

const SECONDS = 5;

export function tips() {
  const bubble = h('div', { class: 'uhr-explanation', role: 'status', hidden: true });
  document.querySelector('.gradio-container').append(bubble);
  let timer = null;
  document.addEventListener('pointerup', (event) => {
    bubble.hidden = true;
    const term = event.pointerType === 'touch' && event.target.closest?.('.uhr-panel [title]');
    if (!term || event.target.closest('button, a, input, label, select, circle')) return;
    bubble.textContent = term.title;
    bubble.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => {
      bubble.hidden = true;
    }, SECONDS * 1000);
  });
}
