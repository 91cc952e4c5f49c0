// The two pages, Explore and Findings, and the address that leads to each.

import { PAGE_KEY } from './address.js';
import { get, set } from './store.js';

/** @typedef {import('./types.d.ts').Page} Page */

/** @type {Record<Page, string>} */
export const PAGES = { explore: 'Explore', findings: 'Findings' };

/** Show another page; the browser's back button returns. @param {Page} page */
export function goToPage(page) {
  if (get().page === page) return;
  const address = new URL(location.href);
  if (page === 'explore') address.searchParams.delete(PAGE_KEY);
  else address.searchParams.set(PAGE_KEY, page);
  history.pushState(null, '', address);
  set({ page });
  scrollTo(0, 0);
}

/** Follow the address, now and when the browser goes back or forward. */
export function followAddress() {
  const show = () => set({ page: pageOf(location.search) });
  window.addEventListener('popstate', show);
  show();
}

/** The page that an address leads to. @param {string} search @returns {Page} */
export const pageOf = (search) =>
  new URLSearchParams(search).get(PAGE_KEY) === 'findings' ? 'findings' : 'explore';
