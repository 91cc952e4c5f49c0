// The address bar follows the page: reload, Back and a copied address lead to what was shown.

import { pageAddress, parameters, parseLooks, request } from './address.js';
import { arrive, isArriving } from './arrive.js';
import { chooseBudget } from './budgets.js';
import { hooks } from './hooks.js';
import { pageOf } from './pages.js';
import { get, on, set } from './store.js';

const SOON = 300; // milliseconds after the last change
const SPACES = 'https://huggingface.co';

/**
 * What makes an entry of the history of its own: another image, or another question asked of it.
 * @typedef {{image: string, question: string | null}} Entry
 */

/**
 * Whether the page has come to another entry: then Back leads to the one before.
 * @param {Entry | null} before
 * @param {Entry} now
 */
export const isNext = (before, now) =>
  before != null &&
  (before.image !== now.image ||
    (before.question != null && now.question != null && before.question !== now.question));

export function followHistory() {
  /** @type {Entry | null} */
  let entry = null;
  let returning = false;
  let timer = 0;

  function write() {
    const state = get();
    if (state.page !== 'explore' || !state.image || state.busy || isArriving(state)) return;
    const address = pageAddress(location.href, state, hooks.view?.where() ?? null);
    const now = { image: state.image.example ?? state.image.id, question: state.answer?.question ?? null };
    if (address !== location.href) {
      if (isNext(entry, now) && !returning) history.pushState(null, '', address);
      else history.replaceState(null, '', address);
      tellSpace(address);
    }
    entry = now;
    returning = false;
  }
  function soon() {
    clearTimeout(timer);
    timer = window.setTimeout(write, SOON);
  }
  on(['image', 'question', 'budget', 'looks', 'layer', 'scale', 'box', 'answer', 'busy'], soon);
  // A page is an entry of its own already: what is opened from Findings takes that entry, and Back leads to Findings.
  on(['page'], ({ page }) => {
    if (page !== 'explore') entry = null;
  });
  on(['image'], () => hooks.view?.map.off('moveend', soon).on('moveend', soon));

  window.addEventListener('popstate', () => {
    if (pageOf(location.search) !== 'explore') return;
    returning = true;
    restore();
  });
}

/** Show what the address says: by Python where it is another image or question, else here. */
function restore() {
  const asked = parameters(location.search);
  const { image, answer } = get();
  if (!asked) return;
  arrive(asked);
  const other = asked.example !== image?.example || (asked.ask === '1' && asked.q !== answer?.question);
  if (other) {
    set({ image: null, maps: null, points: null, box: null, answer: null, object: null });
    hooks.openLink(request(location.search, get().model.scales.length));
    return;
  }
  set({ looks: parseLooks(asked.looks) });
  const each = asked.budget?.split('-').map(Number) ?? [];
  if (each.length && each.every(Number.isFinite)) chooseBudget(each[0], each.length > 1 ? each : null);
  const view = asked.view?.split(',').map(Number);
  if (view?.length === 3) hooks.view?.goWhere(view);
}

/** A Space shows this page in a frame: its own address bar is to follow too. @param {string} address */
function tellSpace(address) {
  if (window.parent === window) return;
  window.parent.postMessage({ queryString: new URL(address).search.slice(1) }, SPACES);
}
