// The Compare tab: the same question at the same budget through several compressors, side by side.

import { FATE_PIXEL } from './colors.js';
import { CONSTANTS } from './constants.js';
import { h, ink, url } from './dom.js';
import { count, percent, seconds, sum } from './format.js';
import { follow, panel } from './gradio.js';
import { note, tick } from './parts.js';
import { get, on, set } from './store.js';
import { runButton } from './sweep.js';

/**
 * @typedef {import('./types.d.ts').Comparison} Comparison
 * @typedef {import('./types.d.ts').ComparedMethod} ComparedMethod
 */

const SIDE = 144; // screen pixels of a small picture

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const result = h('div', {});
  panel(context).replaceChildren(
    h('p', { class: 'uhr-lead' }, 'Same question, same number of tokens, other ways to choose them.'),
    runButton('Compare', 'compare', context),
    result,
  );
  follow(context, (/** @type {Comparison | null} */ value) => set({ compare: value }));
  on(['compare', 'question'], ({ compare, question }) =>
    result.replaceChildren(...(compare ? content(compare, question) : [])),
  );
}

/**
 * @param {Comparison} compare
 * @param {string} question
 */
function content({ question: asked, budgets, methods, thumbnail }, question) {
  const stale = asked.trim() !== question.trim();
  return [
    note(
      `${count(sum(budgets))} tokens. From left: scale ${get().model.scales.join(', ')}. `,
      stale && h('span', { class: 'uhr-stale' }, `for: ${asked}`),
    ),
    ...methods.map((method) => card(method, thumbnail)),
  ];
}

/**
 * @param {ComparedMethod} method
 * @param {string} thumbnail
 */
function card(method, thumbnail) {
  const facts = [
    method.evidence == null
      ? null
      : `${percent(method.evidence, 0)} of the objects touched by a preserved token`,
    `${count(method.tokens)} tokens`,
    seconds(method.seconds),
  ];
  return h(
    'div',
    { class: 'uhr-method', 'data-method': method.name },
    h(
      'div',
      { class: 'uhr-methodhead' },
      h('span', { class: 'uhr-methodname', title: method.explanation }, method.label),
      h('span', { class: 'uhr-counteranswer' }, tick(method.correct), method.answer || '(empty)'),
    ),
    h(
      'div',
      { class: 'uhr-fatepictures' },
      Object.entries(method.fates).map(([size, fates]) => picture(method, size, thumbnail, fates)),
    ),
    note(facts.filter(Boolean).join(' · ')),
  );
}

/**
 * @param {ComparedMethod} method
 * @param {string} size
 * @param {string} thumbnail
 * @param {string} fates
 */
function picture({ label }, size, thumbnail, fates) {
  const canvas = h('canvas', {
    width: SIDE,
    height: SIDE,
    role: 'img',
    title: `Scale ${size}`,
    'aria-label': `What ${label} keeps at scale ${size}`,
  });
  draw(canvas, thumbnail, fates).catch(() =>
    canvas.setAttribute('aria-label', 'The picture could not be loaded'),
  );
  return canvas;
}

/**
 * The image, small, under the fates of one scale.
 * @param {HTMLCanvasElement} canvas
 * @param {string} thumbnail
 * @param {string} fates
 */
async function draw(canvas, thumbnail, fates) {
  /** @param {string} source */
  const load = async (source) => createImageBitmap(await (await fetch(url(source))).blob());
  const [image, kinds] = await Promise.all([load(thumbnail), load(fates)]);
  const context = ink(canvas);
  context.drawImage(image, 0, 0, SIDE, SIDE);
  const layer = h('canvas', { width: kinds.width, height: kinds.height });
  const brush = ink(layer);
  brush.drawImage(kinds, 0, 0);
  const data = brush.getImageData(0, 0, kinds.width, kinds.height);
  colorFates(new Uint32Array(data.data.buffer));
  brush.putImageData(data, 0, 0);
  context.imageSmoothingEnabled = kinds.width > SIDE;
  context.drawImage(layer, 0, 0, SIDE, SIDE);
}

const FATES = /** @type {import('./types.d.ts').Kind[]} */ (Object.keys(CONSTANTS.fates));
/** By the code of a fate, which stands in every channel of a pixel. */
const PIXELS = Object.fromEntries(FATES.map((fate) => [CONSTANTS.fates[fate], FATE_PIXEL[fate]]));

/** Codes of fates to their colours, in place; what is no code becomes clear. @param {Uint32Array} pixels */
export function colorFates(pixels) {
  for (let i = 0; i < pixels.length; i++) pixels[i] = PIXELS[pixels[i] & 255] ?? 0;
}
