// The header: the share link that leads back to this very view, and light or dark.

import { follow, get, h, on, set } from './store.js';

const THEME = 'uhrbat-theme';
const KEYS = ['example', 'q', 'budget', 'layer', 'scale', 'view', 'box', 'ask'];

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  const dark = h('button', { type: 'button', class: 'uhr-icon', 'aria-label': 'Light or dark', title: 'Light or dark', onclick: toggleTheme }, '◐');
  const share = h('button', { type: 'button', class: 'uhr-icon uhr-share-button', title: 'Copy a link to this example, question, budget and view', onclick: copy }, 'Share');
  const note = h('span', { class: 'uhr-copied', role: 'status' });
  root.replaceChildren(
    h('h1', {}, 'UHR-BAT Explorer'), h('p', {}, 'which of 131,328 visual tokens does the answer really get?'),
    h('span', { class: 'uhr-spring' }), note, share, dark);
  startTheme();
  follow(context, () => {});

  async function copy() {
    const address = shareLink();
    if (!address) { note.textContent = 'A link can lead to an example only, not to an uploaded image.'; return; }
    try {
      await navigator.clipboard.writeText(address);
      note.textContent = 'Link copied';
    } catch {
      window.prompt('Copy this link', address);
    }
    setTimeout(() => { note.textContent = ''; }, 4000);
  }

  const arrived = parameters();
  if (arrived) restore(arrived);
}

/** The address that reproduces example, question, budget and view; null for an uploaded image. */
export function shareLink() {
  const { image, question, budget, layer, scale, box, answer } = get();
  if (!image?.example) return null;
  const address = new URL(location.href);
  for (const key of KEYS) address.searchParams.delete(key);
  const put = (key, value) => value != null && address.searchParams.set(key, value);
  put('example', image.example);
  put('q', question);
  put('budget', budget.perScale?.join('-') ?? budget.total);
  put('layer', layer);
  put('scale', scale);
  put('view', window.UHRBAT.view?.where()?.join(','));
  put('box', box?.join(','));
  put('ask', answer?.text != null ? 1 : null);
  return address.href;
}

function parameters() {
  const found = new URLSearchParams(location.search);
  return KEYS.some((key) => found.has(key)) ? found : null;
}

/** What the link asks of Python, as JSON; read once by the page's load event (app/page.py). */
export function linked() {
  const found = parameters();
  if (!found) return '';
  const numbers = (text) => text?.split(/[-,]/).map(Number).filter(Number.isFinite) ?? [];
  const budget = numbers(found.get('budget'));
  return JSON.stringify({ example: found.get('example'), question: found.get('q'),
    budget: budget.length === 1 ? { total: budget[0] } : budget.length === 4 ? { per_scale: budget } : null });
}
Object.assign(window.UHRBAT, { shareLink });

/** What the link asks of the viewer: layer, scale, place and box, once the image is there. */
function restore(found) {
  if (['image', 'importance', 'fate', 'regions'].includes(found.get('layer'))) set({ layer: found.get('layer') });
  if ([672, 1344, 2688, 4032].includes(Number(found.get('scale')))) set({ scale: Number(found.get('scale')) });
  const four = (text, n) => { const values = text?.split(',').map(Number) ?? []; return values.length === n && values.every(Number.isFinite) ? values : null; };
  let placed = false;
  on('image', ({ image }) => {
    if (!image || placed || image.example !== found.get('example')) return;
    placed = true;
    const view = four(found.get('view'), 3);
    if (view) requestAnimationFrame(() => window.UHRBAT.view.goWhere(view));
  });
  let asked = found.get('ask') !== '1';
  on('image question busy', ({ image, question, busy }) => {
    if (asked || busy || image?.example !== found.get('example') || question !== found.get('q')) return;
    asked = true;
    setTimeout(() => window.UHRBAT.ask());
  });
  const box = four(found.get('box'), 4);
  let boxed = false;
  on('maps', ({ maps, image }) => {
    if (!box || boxed || !maps || image?.example !== found.get('example')) return;
    boxed = true;
    set({ askBox: box });
  });
}

function startTheme() {
  const stored = localStorage.getItem(THEME);
  if (stored) document.body.classList.toggle('dark', stored === 'dark');
}

function toggleTheme() {
  const dark = document.body.classList.toggle('dark');
  localStorage.setItem(THEME, dark ? 'dark' : 'light');
}
