// Explanations are titles: a mouse shows them by itself; here a tap on a term that does nothing else does.

import { h } from './dom.js';

const SECONDS = 5;
const ACTIVE = 'button, a, input, label, select, circle';

export function tips() {
  const bubble = h('div', { class: 'uhr-explanation', role: 'status', hidden: true });
  document.querySelector('.gradio-container')?.append(bubble);
  let timer = 0;
  document.addEventListener('pointerup', (event) => {
    bubble.hidden = true;
    const target = event.target;
    if (event.pointerType !== 'touch' || !(target instanceof Element) || target.closest(ACTIVE)) return;
    const title = target.closest('.uhr-panel [title]')?.getAttribute('title');
    if (title == null) return;
    bubble.textContent = title;
    bubble.hidden = false;
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      bubble.hidden = true;
    }, SECONDS * 1000);
  });
}
