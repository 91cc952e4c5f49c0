// The Run tab: how the shown answer came about (stages, memory, settings) and downloads of everything.

import { split } from './budgets.js';
import { CONSTANTS } from './constants.js';
import { h, url } from './dom.js';
import { figureForm } from './figure.js';
import { bytes, count, seconds, sum } from './format.js';
import { follow, panel } from './gradio.js';
import { placeholder, width } from './parts.js';
import { asCurl, asPython } from './scripts.js';
import { sameBudgets } from './shares.js';
import { get, on, set } from './store.js';

/** @typedef {import('./types.d.ts').RunValue} RunValue */

const STAGES = CONSTANTS.stages;
const NO_RUN = 'After a question: the time of every stage, settings, memory and downloads.';
/** @typedef {[file: string, label: string, tip: string]} Download */
/** @type {Download[]} */
const FILES = [
  ['run.json', 'JSON', 'Every number of this run'],
  ['ledger.csv', 'CSV', 'The ledger, one row a scale'],
  ['tokens.npz', 'NPZ', 'Importance, rank, fate and region of every token, as arrays for NumPy'],
  [
    'objects.geojson',
    'GeoJSON',
    'Points, inspected box and objects, in longitude and latitude where the file is georeferenced',
  ],
];

/** @type {Download} */
const OWN_CRS = [
  'objects-crs.geojson',
  'GeoJSON, file’s CRS',
  'The same in the coordinate system of the file',
];

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const root = panel(context);
  follow(context, (/** @type {RunValue | null} */ value) => set({ run: value }));
  on(['run'], ({ run }) => root.replaceChildren(...(run ? content(run) : [placeholder(NO_RUN)])));
}

/** @param {RunValue} run */
const content = (run) => [
  h('h3', { title: 'Grey: reused' }, 'Stages'),
  stages(run),
  h('h3', {}, 'Settings'),
  h(
    'dl',
    { class: 'uhr-facts-list' },
    Object.entries(run.facts).flatMap(([name, value]) => [
      h('dt', {}, name),
      h('dd', {}, factText(name, value)),
    ]),
  ),
  h('h3', {}, 'Download'),
  h(
    'div',
    { class: 'uhr-chips' },
    [
      ...FILES,
      ...(get().image?.place ? [OWN_CRS] : []),
      ...(get().image?.place ? run.sizes.map(geotiff) : []),
    ].map((file) => download(run, file)),
  ),
  figureForm(run),
  h('h3', {}, 'Repeat'),
  h('div', { class: 'uhr-chips' }, repeatButtons()),
];

/** The question shown as a program, on the clipboard. */
function repeatButtons() {
  const status = h('span', { class: 'uhr-note', role: 'status' });
  const button = (
    /** @type {string} */ text,
    /** @type {string} */ kind,
    /** @type {typeof asPython} */ write,
  ) => {
    async function onclick() {
      const { image, answer } = get();
      if (!image || !answer) return;
      const shown = {
        server: new URL('.', document.baseURI).href,
        example: image.example,
        file: image.title,
        address: image.address,
        picture: image.picture.chosen,
        question: answer.question,
        budgets: answer.budgets,
        perScale: !sameBudgets(split(sum(answer.budgets)), answer.budgets),
        method: answer.method,
        looks: answer.looks,
        model: answer.model,
      };
      await navigator.clipboard.writeText(write(shown));
      status.textContent = 'Copied.';
    }
    return h(
      'button',
      { type: 'button', class: 'uhr-chip', 'data-copy': kind, onclick: () => void onclick() },
      text,
    );
  };
  return [button('Copy as Python', 'python', asPython), button('Copy as curl', 'curl', asCurl), status];
}

/** @param {RunValue} run */
function stages({ seconds: took, reused }) {
  const all = Object.entries(took);
  const longest = Math.max(...all.map(([, value]) => value), 1e-3);
  const row = (/** @type {[string, number]} */ [stage, value]) => {
    const kept = reused.includes(stage);
    return h(
      'tr',
      { class: kept ? 'is-reused' : '' },
      h('th', { scope: 'row' }, STAGES[stage] ?? stage),
      h(
        'td',
        { class: 'uhr-barcell' },
        h('div', { class: 'uhr-bar' }, h('i', { style: width(value / longest) })),
      ),
      h('td', {}, seconds(value), kept && h('small', {}, 'reused')),
    );
  };
  return h('table', { class: 'uhr-stages', 'aria-label': 'Stage times' }, h('tbody', {}, all.map(row)));
}

/**
 * A setting as it is read: memory in bytes, other numbers with separators.
 * @param {string} name
 * @param {string | number} value
 */
export function factText(name, value) {
  if (typeof value !== 'number') return value;
  return name.includes('memory') ? bytes(value) : count(value);
}

/**
 * @param {number} size
 * @returns {Download}
 */
const geotiff = (size) => [
  `tokens-${size}.tif`,
  `GeoTIFF ${size}`,
  `Importance, rank, fate and region at scale ${size} on the map, one pixel a token`,
];

/**
 * @param {RunValue} run
 * @param {Download} file
 */
const download = ({ id }, [file, label, title]) =>
  h('a', { class: 'uhr-chip', href: url(`run/${id}/${file}`), download: '', title }, label);
