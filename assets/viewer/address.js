// The share link as text: what of the page's state stands in an address, and what an address asks for.

import { CONSTANTS } from './constants.js';

/**
 * @typedef {import('./types.d.ts').Box} Box
 * @typedef {Pick<import('./store.js').State, 'image' | 'question' | 'budget' | 'looks' | 'layer' | 'scale' | 'box' | 'answer'>} Shared
 */

const METHOD = CONSTANTS.method;
const KEYS = [
  'example',
  'picture',
  'q',
  'budget',
  'looks',
  ...METHOD,
  'layer',
  'scale',
  'view',
  'box',
  'ask',
];
/** The page is no part of a share link, which leads to the viewer. */
export const PAGE_KEY = 'tab';

/**
 * What stands in an address for the page as it is; null for an uploaded image.
 * @param {Shared} state
 * @param {number[] | null} view Where the map is.
 * @returns {Record<string, string | number> | null}
 */
function valuesOf({ image, question, budget, looks, layer, scale, box, answer }, view) {
  if (!image?.example) return null;
  const values = {
    example: image.example,
    picture: Object.keys(image.picture.chosen).length ? JSON.stringify(image.picture.chosen) : null,
    q: question,
    budget: budget.perScale?.join('-') ?? budget.total,
    looks: looks || null,
    ...Object.fromEntries(METHOD.map((key) => [key, answer?.method[key]])),
    layer,
    scale,
    view: view?.join(','),
    box: box?.join(','),
    ask: answer ? 1 : null,
  };
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value == null ? [] : [[key, value]])),
  );
}

/**
 * The link to share: it reproduces example, question, budget, looks, method and view, and holds nothing else of the visitor's
 * address, which may carry a private token. Null for an uploaded image.
 * @param {string} href The page's own address.
 * @param {Shared} state
 * @param {number[] | null} view Where the map is.
 */
export function shareAddress(href, state, view) {
  const values = valuesOf(state, view);
  if (!values) return null;
  const address = new URL(href);
  address.hash = '';
  address.search = '';
  for (const [key, value] of Object.entries(values)) address.searchParams.set(key, String(value));
  return address.href;
}

/**
 * The page's own address as it is to be now: what is others' stays.
 * @param {string} href
 * @param {Shared} state
 * @param {number[] | null} view
 */
export function pageAddress(href, state, view) {
  const address = new URL(href);
  for (const key of [...KEYS, PAGE_KEY]) address.searchParams.delete(key);
  for (const [key, value] of Object.entries(valuesOf(state, view) ?? {})) {
    address.searchParams.set(key, String(value));
  }
  return address.href;
}

/**
 * An address's parameters as a plain object; null where none of a share link's is among them.
 * @param {string} search
 * @returns {Record<string, string> | null}
 */
export function parameters(search) {
  const found = new URLSearchParams(search);
  return KEYS.some((key) => found.has(key)) ? Object.fromEntries(found) : null;
}

/**
 * What a link asks of Python (app/links.py), as JSON; '' where it asks for nothing.
 * @param {string} search
 * @param {number} scales How many there are.
 */
export function request(search, scales) {
  const found = parameters(search);
  if (!found) return '';
  const chosen = ['ask', ...METHOD].some((key) => key in found);
  const looks = parseLooks(found.looks);
  return JSON.stringify({
    example: found.example ?? null,
    picture: parseJson(found.picture),
    question: found.q ?? null,
    method: chosen ? Object.fromEntries(METHOD.map((key) => [key, found[key] ?? null])) : null,
    budget: parseBudget(found.budget, scales, looks > 0),
    looks,
  });
}

/**
 * A total, or numbers for the scales; null for anything else.
 * @param {string | undefined} text
 * @param {number} scales
 * @param {boolean} [more] Whether native scales may follow, which the page does not know before it has looked.
 */
export function parseBudget(text, scales, more = false) {
  const numbers = (text ?? '').split(/[-,]/).map(Number);
  if (!text || !numbers.every(Number.isFinite)) return null;
  if (numbers.length === scales || (more && numbers.length > scales)) return { per_scale: numbers };
  return numbers.length === 1 ? { total: numbers[0] } : null;
}

/**
 * A number of looks; 0 for anything else.
 * @param {string | undefined} text
 */
export const parseLooks = (text) => (/^[1-9]\d{0,5}$/.test(text ?? '') ? Number(text) : 0);

/**
 * What a text says as JSON; null where it is none.
 * @param {string | undefined} text
 * @returns {unknown}
 */
function parseJson(text) {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
}

/**
 * So many numbers with commas between; null for anything else.
 * @param {string | null | undefined} text
 * @param {number} n
 */
export function parseNumbers(text, n) {
  const values = text?.split(',').map(Number) ?? [];
  return values.length === n && values.every(Number.isFinite) ? values : null;
}

/**
 * What a link asks of the viewer.
 * @param {Record<string, string | null | undefined>} parameters
 */
export function arrival({ example, q, layer, scale, view, box, ask }) {
  return {
    example: example ?? null,
    question: q ?? null,
    layer: LAYER_NAMES.find((name) => name === layer) ?? null,
    scale: scale ? Number(scale) : null,
    view: parseNumbers(view, 3),
    box: /** @type {Box | null} */ (parseNumbers(box, 4)),
    ask: ask === '1',
  };
}

/** @type {import('./types.d.ts').Layer[]} */
const LAYER_NAMES = ['seen', 'fate', 'importance', 'regions', 'image'];
