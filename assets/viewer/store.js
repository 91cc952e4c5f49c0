// The page's one state, held in the browser, and what its parts share: formatting, DOM, the words for things.

const state = {
  image: null, // the picture shown (see app/viewer.py: image_value)
  maps: null, // the question whose tokens are shown: {id, question, scales: [...]}
  tokens: null, // Map: scale size -> ScaleTokens, once loaded (tokens.js)
  budget: { total: 3000, perScale: null },
  answer: null,
  object: null,
  sweep: null,
  compare: null,
  run: null,
  progress: null, // {state: idle | running | failed, text, fraction}
  question: '',
  page: 'explore', // explore | findings
  layer: 'fate', // image | importance | fate | regions
  scale: 4032,
  opacity: 0.7,
  outlines: false,
  showObjects: false,
  busy: false,
};
const listeners = new Map();

export const get = () => state;

/** Change some of the state; parts that listen to a changed key are told once. */
export function set(patch) {
  const changed = Object.keys(patch).filter((key) => state[key] !== patch[key]);
  Object.assign(state, patch);
  const told = new Set();
  for (const key of changed) {
    for (const listener of listeners.get(key) ?? []) {
      if (!told.has(listener)) {
        told.add(listener);
        listener(state);
      }
    }
  }
}

/** Call `listener(state)` whenever one of the space-separated keys changes, and once now. */
export function on(keys, listener) {
  for (const key of keys.split(' ')) {
    if (!listeners.has(key)) listeners.set(key, new Set());
    listeners.get(key).add(listener);
  }
  listener(state);
}

/** The same, at most once an animation frame: for pictures that follow a drag. */
export function onFrame(keys, listener) {
  let waiting = false;
  on(keys, () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      listener(state);
    });
  });
}

// ---- budgets

export const SIZES = [672, 1344, 2688, 4032];
export const TOKENS = 131328;

/** For each scale, how many of the first n tokens of a total budget are its own (uhrbat.pyramid.split_budget). */
const shares = await loadShares();

async function loadShares() {
  const owners = new Uint8Array(
    await (await fetch(new URL('gradio_api/uhr/shares.bin', document.baseURI))).arrayBuffer(),
  );
  return SIZES.map((_, scale) => {
    const counts = new Uint32Array(owners.length + 1);
    for (let i = 0; i < owners.length; i++) counts[i + 1] = counts[i] + (owners[i] === scale ? 1 : 0);
    return counts;
  });
}

export const split = (total) =>
  shares.map((counts) => counts[Math.max(0, Math.min(total, counts.length - 1))]);
export const budgets = (budget = state.budget) => budget.perScale ?? split(budget.total);
export const sameBudgets = (a, b) => a && b && a.length === b.length && a.every((value, i) => value === b[i]);

/** Set the budget, in all or (perScale) for each scale; the budget panel keeps Python informed. */
export function setBudget(total, perScale = null) {
  set({ budget: { total: perScale ? perScale.reduce((a, b) => a + b, 0) : Math.round(total), perScale } });
}

// ---- known truth

/** What is known of the current question on an example: its answer and evidence boxes; null where nothing is. */
export function truth(question = state.question) {
  const same = (a, b) => a.trim().toLowerCase() === b.trim().toLowerCase();
  return state.image?.questions?.find((known) => same(known.text, question)) ?? null;
}

// ---- DOM and formatting

export const url = (path) => new URL('gradio_api/uhr/', document.baseURI).href + path; // braces of templates survive

/** Build an element: h('p', {class: 'note', onclick}, 'text', child). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') element.style.cssText = value;
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export const count = (value) => Math.round(value).toLocaleString('en-US');
export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
export const seconds = (value) =>
  value < 0.0995
    ? `${Math.round(value * 1000)}\u00a0ms`
    : value < 9.95
      ? `${value.toFixed(1)}\u00a0s`
      : value < 90
        ? `${Math.round(value)}\u00a0s`
        : `${(value / 60).toFixed(1)}\u00a0min`;
export const bytes = (value) =>
  value < 1e6
    ? `${Math.round(value / 1e3)} KB`
    : value < 1e9
      ? `${Math.round(value / 1e6)} MB`
      : `${(value / 1e9).toFixed(1)} GB`;
export const sum = (values) => values.reduce((a, b) => a + b, 0);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** A component's Python value arrives in props.value: apply it now and whenever it changes. */
export function follow({ props, watch }, apply) {
  const run = () => apply(props.value ? JSON.parse(JSON.stringify(props.value)) : null);
  watch('value', run);
  run();
}

/** Begin something long, unless something long is under way: the bar moves at once, Python takes over. */
export function begin(trigger, event, data = {}) {
  if (state.busy) return;
  set({ progress: { state: 'running', text: 'starting', fraction: 0 } });
  trigger(event, data);
}

// What Python's `js=` hooks and the browser tests may use.
window.UHRBAT = Object.assign(window.UHRBAT ?? {}, { state, set, setBudget, split, budgets, marks: [] });
