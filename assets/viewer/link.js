// The header: the share link that leads back to this very view, and light or dark.

import { SIZES, follow, get, h, on, set } from './store.js';
import { tips } from './tips.js';

const THEME = 'uhrbat-theme';
const METHOD = ['importance', 'regions', 'order', 'seed'];
const KEYS = ['example', 'q', 'budget', ...METHOD, 'layer', 'scale', 'view', 'box', 'ask'];
const PAGES = { explore: 'Explore', findings: 'Findings' };

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  const dark = h(
    'button',
    {
      type: 'button',
      class: 'uhr-icon',
      'aria-label': 'Light or dark',
      title: 'Light or dark',
      onclick: toggleTheme,
    },
    '◐',
  );
  const share = h(
    'button',
    {
      type: 'button',
      class: 'uhr-icon uhr-share-button',
      title: 'Copy a link to this example, question, budget, method and view',
      onclick: copy,
    },
    'Share',
  );
  const note = h('span', { class: 'uhr-copied', role: 'status' });
  const pages = Object.entries(PAGES).map(([page, label]) =>
    h(
      'button',
      { type: 'button', class: 'uhr-page', 'data-page': page, onclick: () => goToPage(page) },
      label,
    ),
  );
  root.replaceChildren(
    h('h1', {}, 'UHR-BAT', h('span', {}, ' Explorer')),
    h('p', {}, 'which of 131,328 visual tokens does the answer really get?'),
    h('span', { class: 'uhr-spring' }),
    note,
    h('nav', { 'aria-label': 'Pages' }, pages),
    share,
    dark,
  );
  startTheme();
  on('page', ({ page }) => {
    pages.forEach((button) =>
      button.dataset.page === page
        ? button.setAttribute('aria-current', 'page')
        : button.removeAttribute('aria-current'),
    );
    document.body.dataset.page = page;
    share.hidden = page !== 'explore';
  });
  const fromAddress = () =>
    set({
      page:
        new URLSearchParams(location.search).get('tab') in PAGES
          ? new URLSearchParams(location.search).get('tab')
          : 'explore',
    });
  window.addEventListener('popstate', fromAddress);
  fromAddress();
  followArrival();
  tips();
  follow(context, () => {});

  async function copy() {
    const address = shareLink();
    if (!address) {
      note.textContent = 'A link can lead to an example only, not to an uploaded image.';
      return;
    }
    try {
      await navigator.clipboard.writeText(address);
      note.textContent = 'Link copied';
    } catch {
      window.prompt('Copy this link', address);
    }
    setTimeout(() => {
      note.textContent = '';
    }, 4000);
  }

  const arrived = parameters();
  if (arrived) arrive(Object.fromEntries(arrived));
}

/** Show another page; the browser's back button returns. */
export function goToPage(page) {
  if (get().page === page) return;
  const address = new URL(location.href);
  if (page === 'explore') address.searchParams.delete('tab');
  else address.searchParams.set('tab', page);
  history.pushState(null, '', address);
  set({ page });
  scrollTo(0, 0);
}

/** The address that reproduces example, question, budget, method and view; null for an uploaded image. */
export function shareLink() {
  const { image, question, budget, layer, scale, box, answer } = get();
  if (!image?.example) return null;
  const address = new URL(location.href);
  for (const key of [...KEYS, 'tab']) address.searchParams.delete(key);
  const put = (key, value) => value != null && address.searchParams.set(key, value);
  put('example', image.example);
  put('q', question);
  put('budget', budget.perScale?.join('-') ?? budget.total);
  for (const key of METHOD) put(key, answer?.method?.[key]);
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
  return JSON.stringify({
    example: found.get('example'),
    question: found.get('q'),
    method: ['ask', ...METHOD].some((key) => found.has(key))
      ? Object.fromEntries(METHOD.map((key) => [key, found.get(key)]))
      : null,
    budget: budget.length === 1 ? { total: budget[0] } : budget.length === 4 ? { per_scale: budget } : null,
  });
}
Object.assign(window.UHRBAT, { shareLink });

const numbers = (text, n) => {
  const values = text?.split(',').map(Number) ?? [];
  return values.length === n && values.every(Number.isFinite) ? values : null;
};

let arriving = {}; // what is still to be restored: {example, question, view, box, ask}

/** What a link (or a miss) asks of the viewer: layer, scale, then place, box and answer, once the image is there. */
export function arrive({ example, q, layer, scale, view, box, ask }) {
  if (['image', 'importance', 'fate', 'regions'].includes(layer)) set({ layer });
  if (SIZES.includes(Number(scale))) set({ scale: Number(scale) });
  arriving = { example, question: q, view: numbers(view, 3), box: numbers(box, 4), ask: ask === '1' };
}

function followArrival() {
  const take = (key) => {
    const value = arriving[key];
    arriving[key] = null;
    return value;
  };
  const here = ({ image }) => image && image.example === arriving.example;
  on('image', (state) => {
    const view = here(state) && take('view');
    if (view) requestAnimationFrame(() => window.UHRBAT.view.goWhere(view));
  });
  on('image question busy', (state) => {
    if (!state.busy && here(state) && state.question === arriving.question && take('ask'))
      setTimeout(() => window.UHRBAT.ask());
  });
  on('maps', (state) => {
    const box = state.maps && here(state) && take('box');
    if (box) set({ askBox: box });
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
