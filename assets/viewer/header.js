// The header: the pages, the share link, and light or dark.

import { parameters } from './address.js';
import { arrive, followArrival } from './arrive.js';
import { flag, h } from './dom.js';
import { count } from './format.js';
import { tokensOfImage } from './geometry.js';
import { panel } from './gradio.js';
import { followHistory } from './history.js';
import { shareLink } from './link.js';
import { PAGES, followAddress, goToPage } from './pages.js';
import { on, set } from './store.js';
import { tips } from './tips.js';

/** @typedef {import('./types.d.ts').Page} Page */

const THEME = 'uhrbat-theme';
const NOTE_SECONDS = 4;
const NO_LINK = 'Uploaded images are private: only examples can be shared by link.';
const LINKS = [['Paper', 'https://arxiv.org/abs/2604.13565', 'The paper on arXiv']];

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const { button: share, note } = shareButton();
  const claim = h('p');
  on(['model', 'image'], ({ model, image }) => {
    const tokens = count(tokensOfImage(model, image));
    claim.textContent = `Your image is ${tokens} tokens. Which of them does the model get to see?`;
  });
  panel(context).replaceChildren(
    h('h1', {}, 'UHR-BAT', h('span', {}, ' Explorer')),
    claim,
    h('span', { class: 'uhr-spring' }),
    note,
    ...LINKS.map(([text, href, title]) =>
      h('a', { class: 'uhr-headlink', href, title, target: '_blank', rel: 'noopener' }, text),
    ),
    h('button', { type: 'button', class: 'uhr-headlink', onclick: () => set({ tourStep: 0 }) }, 'Tour'),
    pageButtons(),
    share,
    themeButton(),
  );
  on(['page'], ({ page }) => {
    document.body.dataset.page = page;
    share.hidden = page !== 'explore';
  });
  followAddress();
  followArrival();
  followHistory();
  tips();

  const asked = parameters(location.search);
  if (asked) arrive(asked);
}

function pageButtons() {
  const buttons = /** @type {Page[]} */ (Object.keys(PAGES)).map((page) =>
    h(
      'button',
      { type: 'button', class: 'uhr-page', 'data-page': page, onclick: () => goToPage(page) },
      PAGES[page],
    ),
  );
  on(['page'], ({ page }) => {
    for (const button of buttons) {
      if (button.dataset.page === page) button.setAttribute('aria-current', 'page');
      else button.removeAttribute('aria-current');
    }
  });
  return h('nav', { 'aria-label': 'Pages' }, buttons);
}

/** The button that copies the share link, and the note of what came of it. */
function shareButton() {
  const note = h('span', { class: 'uhr-copied', role: 'status' });
  const button = h(
    'button',
    {
      type: 'button',
      class: 'uhr-icon uhr-share-button',
      title: 'Copy a link to this example, question, budget, method and view',
      onclick: copy,
    },
    'Share',
  );
  async function copy() {
    const address = shareLink();
    if (!address) {
      note.textContent = NO_LINK;
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
    }, NOTE_SECONDS * 1000);
  }
  return { button, note };
}

/** Light or dark: the system's choice until this button is used, and then the same on the next visit. */
function themeButton() {
  const label = 'Dark colours';
  const stored = localStorage.getItem(THEME);
  if (stored) document.body.classList.toggle('dark', stored === 'dark');
  const button = h(
    'button',
    { type: 'button', class: 'uhr-icon', 'aria-label': label, title: label, onclick: toggle },
    '◐',
  );
  const say = () => flag(button, 'aria-pressed', document.body.classList.contains('dark'));
  function toggle() {
    const dark = document.body.classList.toggle('dark');
    localStorage.setItem(THEME, dark ? 'dark' : 'light');
    say();
  }
  say();
  return button;
}
