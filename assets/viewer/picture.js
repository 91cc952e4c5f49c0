// How the picture is shown, folded behind one line that says it: bands, stretch, gamma, nodata, page, transparency.

import { h } from './dom.js';
import { panel } from './gradio.js';
import { histogram } from './histogram.js';
import { nodataAsFound, rendering } from './renderings.js';
import { on, set } from './store.js';

/**
 * @typedef {import('./types.d.ts').PictureValue} PictureValue
 * @typedef {import('./types.d.ts').Rendering} Rendering
 * @typedef {import('./renderings.js').Fields} Fields
 */

/**
 * A row of the form: its elements, and what is chosen in it.
 * @typedef {{row: HTMLElement[], read: () => Partial<Fields>}} Part
 */

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const summary = h('summary', { title: 'Choose bands, stretch, nodata and more; the model sees the same' });
  const body = h('div');
  const fold = h('details', { class: 'uhr-fold uhr-picture' }, summary, body);
  const root = panel(context);
  root.replaceChildren(fold);

  /** @param {Rendering} chosen */
  function show(chosen) {
    set({ progress: { state: 'running', text: 'reading the picture again', fraction: 0 } });
    context.trigger('choose', { rendering: chosen });
  }
  /** @type {() => void} */
  let opened = () => {};
  fold.addEventListener('toggle', () => fold.open && opened());

  let drawn = '';
  on(['image'], ({ image }) => {
    root.hidden = !image;
    if (!image || image.id === drawn) return;
    drawn = image.id;
    summary.textContent = image.picture.summary;
    const made = form(image.picture, show);
    body.replaceChildren(
      ...image.picture.notes.map((note) => h('span', { class: 'uhr-filenote uhr-note' }, note)),
      made.element,
    );
    opened = made.opened;
    if (fold.open) opened();
  });
}

/**
 * @param {PictureValue} picture
 * @param {(chosen: Rendering) => void} show
 */
function form(picture, show) {
  const stretch = picture.histogram ? stretchPart(picture, picture.histogram) : null;
  const all = [
    bandPart(picture),
    stretch,
    gammaPart(picture),
    nodataPart(picture),
    pagePart(picture),
    transparencyPart(picture),
  ];
  const parts = all.filter((part) => part != null);
  const problem = h('p', { class: 'uhr-problem', role: 'alert', hidden: true });

  /** @param {Event} event */
  function onsubmit(event) {
    event.preventDefault();
    const fields = /** @type {Fields} */ (Object.assign({}, ...parts.map(({ read }) => read())));
    const { chosen, wrong } = rendering(picture, fields);
    problem.hidden = !wrong;
    problem.textContent = wrong;
    if (!wrong) show(chosen);
  }
  const reset = h(
    'button',
    {
      type: 'button',
      class: 'uhr-small',
      title: 'Show it as the file itself has it',
      disabled: !Object.keys(picture.chosen).length,
      onclick: () => show({}),
    },
    'As it comes',
  );
  const element = h(
    'form',
    { class: 'uhr-pictureform', onsubmit },
    parts.flatMap(({ row }) => row),
    problem,
    h('div', { class: 'uhr-formrow' }, h('button', { type: 'submit', class: 'uhr-small' }, 'Show'), reset),
  );
  return { element, opened: () => stretch?.opened() };
}

/**
 * A labelled row.
 * @param {string} label
 * @param {...HTMLElement} fields
 */
const row = (label, ...fields) => [h('span', { class: 'uhr-formlabel' }, label), h('div', {}, fields)];

/**
 * @param {string} label
 * @param {[value: string, text: string][]} options
 * @param {string} value
 * @param {(() => void)} [onchange]
 */
const select = (label, options, value, onchange) =>
  h(
    'select',
    { 'aria-label': label, title: label, onchange },
    options.map(([each, text]) => h('option', { value: each, selected: each === value }, text)),
  );

/**
 * @param {PictureValue} picture
 * @returns {Part | null}
 */
function bandPart({ names, shown, mode }) {
  if (names.length < 2 || !['rgb', 'gray'].includes(mode)) return null;
  /** @type {[string, string][]} */
  const options = names.map((name, i) => [String(i + 1), name]);
  const fields = ['red', 'green', 'blue'].map((color, i) =>
    select(`Band shown as ${color}`, options, String(shown[i] ?? shown[0])),
  );
  const grey = shown.length === 1;
  const kind = select(
    'Three bands in colour, or one in grey',
    [
      ['colour', 'RGB'],
      ['grey', 'grey'],
    ],
    grey ? 'grey' : 'colour',
    update,
  );
  function update() {
    const one = kind.value === 'grey';
    fields.forEach((field, i) => (field.hidden = one && i > 0));
    fields[0].title = one ? 'Band shown in grey' : 'Band shown as red';
    fields[0].setAttribute('aria-label', fields[0].title);
  }
  update();
  return {
    row: row('Bands', ...fields, kind),
    read: () => ({
      bands: fields.slice(0, kind.value === 'grey' ? 1 : 3).map((field) => Number(field.value)),
    }),
  };
}

/**
 * @param {PictureValue} picture
 * @param {string} address
 */
function stretchPart(picture, address) {
  const value = (/** @type {number} */ i) => (picture.limits ? String(picture.limits[i]) : '');
  const [low, high] = ['black', 'white'].map((what, i) =>
    h('input', {
      type: 'number',
      step: 'any',
      value: value(i),
      'aria-label': `Value shown as ${what}`,
      title: `This value and all ${i ? 'above' : 'below'} it are ${what}`,
    }),
  );
  const chart = histogram(address, { low, high, whole: picture.whole });
  const auto = h(
    'button',
    {
      type: 'button',
      class: 'uhr-small',
      title: 'From the 2nd to the 98th percentile of the shown bands; 8-bit files as they are',
      onclick: () => {
        low.value = high.value = '';
        chart.mark();
      },
    },
    'Auto',
  );
  for (const field of [low, high]) field.addEventListener('input', () => chart.mark());
  return {
    row: [...row('Values', chart.element), ...row('Stretch', low, high, auto)],
    read: () => ({ low: low.value, high: high.value, found: chart.range() }),
    opened: chart.load,
  };
}

/**
 * @param {PictureValue} picture
 * @returns {Part | null}
 */
function gammaPart({ gamma, mode }) {
  if (mode === 'palette') return null;
  const value = h('output', {}, gamma.toFixed(2));
  const slider = h('input', {
    type: 'range',
    min: 0.3,
    max: 3,
    step: 0.05,
    value: gamma,
    'aria-label': 'Gamma',
    title: 'Above 1 brightens the middle',
    oninput: () => (value.textContent = Number(slider.value).toFixed(2)),
  });
  return { row: row('Gamma', slider, value), read: () => ({ gamma: Number(slider.value) }) };
}

/**
 * @param {PictureValue} picture
 * @returns {Part}
 */
function nodataPart(picture) {
  const { chosen } = picture;
  const now = !('nodata' in chosen) ? 'auto' : chosen.nodata == null ? 'none' : 'value';
  const value = h('input', {
    type: 'number',
    step: 'any',
    value: picture.nodata ?? '',
    'aria-label': 'Value that means no data',
  });
  const kind = select(
    'Which value means that there is no data; its pixels are left out and are never evidence',
    [
      ['auto', nodataAsFound(picture)],
      ['none', 'none: every value is data'],
      ['value', 'this value:'],
    ],
    now,
    update,
  );
  function update() {
    value.hidden = kind.value !== 'value';
  }
  update();
  return { row: row('No data', kind, value), read: () => ({ nodata: kind.value, nodataValue: value.value }) };
}

/**
 * @param {PictureValue} picture
 * @returns {Part | null}
 */
function pagePart({ pages, page }) {
  if (pages.length < 2) return null;
  /** @type {[string, string][]} */
  const options = pages.map((text, i) => [String(i + 1), text]);
  const field = select('Page of the file, or level of its pyramid', options, String(page));
  return { row: row('Page', field), read: () => ({ page: Number(field.value) }) };
}

/**
 * @param {PictureValue} picture
 * @returns {Part | null}
 */
function transparencyPart({ transparency, chosen }) {
  if (!transparency) return null;
  const field = select(
    'What is taken for transparency; transparent pixels are left out and are never evidence',
    [
      ['auto', `as found: ${transparency}`],
      ['alpha', 'the alpha band'],
      ['none', 'nothing: every pixel is shown'],
    ],
    chosen.transparency ?? 'auto',
  );
  return { row: row('Transparency', field), read: () => ({ transparency: field.value }) };
}
