// The Object tab: what became of the tokens of a box, why, and what the answer would be with and without them.

import { chooseBox } from './boxtool.js';
import { budgets, chooseBudget } from './budgets.js';
import { FATE } from './colors.js';
import { flag, h, shown, url } from './dom.js';
import { count, percent, pixels, plural, seconds, sum } from './format.js';
import { coarsest, nativeSizes } from './geometry.js';
import { begin, follow, panel } from './gradio.js';
import { hooks } from './hooks.js';
import { failure, note, placeholder, tableHead } from './parts.js';
import { fits, mapText, placeName } from './places.js';
import { sameBudgets } from './shares.js';
import { get, on, onFrame, set } from './store.js';
import { terms } from './terms.js';
import { CAUSES, bestFate, fateDetail, keptLook, verdictAt, verdictTitle } from './verdict.js';

/**
 * @typedef {import('./types.d.ts').Box} Box
 * @typedef {import('./types.d.ts').ImageValue} ImageValue
 * @typedef {import('./types.d.ts').ObjectValue} ObjectValue
 * @typedef {import('./types.d.ts').ObjectRow} ObjectRow
 * @typedef {{row: ObjectRow, now: import('./verdict.js').Counts | null}} Row
 * @typedef {import('./types.d.ts').Trigger} Trigger
 * @typedef {Readonly<import('./store.js').State>} State
 */

/** @type {import('./parts.js').Heading[]} */
const HEADINGS = [
  ['scale', 'Side of the resized image, in pixels'],
  ['size', "The box's longer side in this scale's pixels, and how many tokens it touches"],
  ['importance', "Of the box's best token: the share of the scale's tokens that it outscores, and its value"],
  ['rank', 'The best rank of its tokens: the smallest budget of this scale that represents one'],
  ['fate', 'At this budget'],
];
const WITHOUT =
  'The same question with the tokens of this box added to what the model is given, removed from it, or seen in the file’s own pixels';

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const result = h('div', { class: 'uhr-object', 'aria-live': 'polite' });
  const problem = h('p', { class: 'uhr-problem', role: 'alert', hidden: true });
  panel(context).replaceChildren(
    terms(),
    h(
      'p',
      { class: 'uhr-lead' },
      'Draw a box around an object, or click one, to see whether its tokens reach the model.',
    ),
    drawButton(),
    boxForm(problem, context.trigger),
    problem,
    result,
  );
  follow(context, (/** @type {State['object']} */ value) => set({ object: value }));
  onFrame(['object', 'box', 'budget', 'tokens', 'answer', 'maps', 'busy'], (state) =>
    result.replaceChildren(...shown(content(state, context.trigger))),
  );
}

function drawButton() {
  const button = h('button', {
    type: 'button',
    class: 'uhr-small uhr-wide',
    onclick: () => set({ drawing: !get().drawing }),
  });
  on(['drawing'], ({ drawing }) => {
    button.textContent = drawing ? 'Drag on the image … (Esc to stop)' : 'Draw a box';
    flag(button, 'aria-pressed', drawing);
  });
  return button;
}

/**
 * Four fields for a box in numbers; what is wrong with them is written into `problem`.
 * @param {HTMLElement} problem
 * @param {Trigger} trigger
 */
function boxForm(problem, trigger) {
  const fields = ['x0', 'y0', 'x1', 'y1'].map((name) =>
    h('input', { type: 'number', min: 0, step: 1, 'aria-label': `Box ${name}`, placeholder: name }),
  );
  on(['box'], ({ box }) => {
    if (!box) return;
    fields.forEach((field, i) => {
      field.value = String(box[i]);
    });
    problem.hidden = true;
  });
  /** @param {Event} event */
  function onsubmit(event) {
    event.preventDefault();
    const { image } = get();
    const box = /** @type {Box} */ (fields.map((field) => Number(field.value)));
    const usable = image != null && fields.every((field) => field.value !== '') && fits(box, image);
    problem.hidden = usable;
    problem.textContent = image
      ? `Give x0 < x1 ≤ ${count(image.width)} and y0 < y1 ≤ ${count(image.height)}, in image pixels.`
      : 'Choose an image first.';
    if (usable) chooseBox(box, trigger);
  }
  return h(
    'form',
    { class: 'uhr-boxform', onsubmit },
    fields,
    h('button', { type: 'submit', class: 'uhr-small' }, 'Inspect'),
  );
}

/**
 * @param {State} state
 * @param {Trigger} trigger
 * @returns {import('./dom.js').Part[]}
 */
function content(state, trigger) {
  const { object, box, maps, image } = state;
  if (!box || !image) return [];
  if (!maps) return [placeholder('Ask a question first: what becomes of a box depends on it.')];
  if (object && 'error' in object) return [failure(object.error)];
  if (object?.box.join() !== box.join() || object.maps !== maps.id) {
    return [placeholder('Checking …')];
  }
  return found(state, object, image, trigger);
}

/**
 * @param {State} state
 * @param {ObjectValue} object
 * @param {ImageValue} image
 * @param {Trigger} trigger
 */
function found(state, object, image, trigger) {
  const each = budgets();
  const rows = object.rows.map((row) => ({
    row,
    now: state.tokens?.get(row.size)?.inRectangle(row, each[state.model.scales.indexOf(row.size)]) ?? null,
  }));
  const preserved = rows.some(({ now }) => now?.preserved);
  const verdict = verdictAt(object, preserved, each, state.budget.perScale ? null : sum(each));
  const data = { box: object.box, image: image.id };
  return [
    boxLine(object),
    image.place && mapLine(object.box, image),
    fatesTable(rows, coarsest(state.model)),
    h(
      'p',
      { class: `uhr-verdict ${keptLook(verdict.preserved, rows)}`, 'data-cause': verdict.cause },
      h('b', {}, verdictTitle(verdict)),
      ' ',
      verdict.verdict,
      showKept(rows),
    ),
    nearbyNote(object),
    h('div', { class: 'uhr-chips' }, jumps(object.smallest_budget)),
    h('h3', { title: WITHOUT }, 'What if?'),
    h(
      'div',
      { class: 'uhr-counter' },
      asItIs(state),
      counterfactual('Add this object', object.forced, () => begin(trigger, 'force', data)),
      counterfactual('Remove this object', object.without, () => begin(trigger, 'without', data)),
      nativeSizes(state.model, image).length > 0 &&
        counterfactual('Look here', object.looked ?? null, () => begin(trigger, 'look', data)),
    ),
  ];
}

/** A button that shows the finest scale at which something of the box is kept. @param {Row[]} rows */
function showKept(rows) {
  const kept = rows.filter(({ now }) => now?.preserved).at(-1)?.row.size;
  if (!kept || kept === get().scale) return null;
  const onclick = () => set({ scale: kept });
  return h('span', {}, ' ', h('button', { type: 'button', class: 'uhr-link', onclick }, `show at ${kept}`));
}

/** The verdict on a box a little larger or smaller, where that differs. @param {ObjectValue} object */
function nearbyNote({ nearby }) {
  if (!nearby?.length) return null;
  const words = nearby.map(({ by, cause, smallest_budget: least }) => {
    const budget = least == null ? 'no budget keeps it' : `kept from ${plural(least, 'token')}`;
    return `${plural(Math.abs(by), 'pixel')} ${by > 0 ? 'larger' : 'smaller'} on every side: ${CAUSES[cause] ?? cause}, ${budget}`;
  });
  return note(`This holds for this very box. ${words.join('; ')}.`);
}

/** @param {ObjectValue} object */
function boxLine({ box, maps }) {
  const show = () => set({ goto: { box } });
  const known = get().image?.objects.find((each) => each.box.join() === box.join());
  const name = known ? [known.color, known.kind].filter(Boolean).join(' ') : 'this box';
  return note(
    `${name} (${count(box[2] - box[0])} × ${count(box[3] - box[1])} px) · `,
    h('button', { type: 'button', class: 'uhr-link', onclick: show }, 'show'),
    ' · ',
    h(
      'a',
      {
        class: 'uhr-link',
        href: url(`run/${maps}/objects.geojson`),
        download: 'uhrbat-objects.geojson',
        title: 'This box, the points and the objects, on the map where the file has one',
      },
      'GeoJSON',
    ),
  );
}

/**
 * @param {Box} box
 * @param {ImageValue} image
 */
const mapLine = ([x0, y0, x1, y1], image) =>
  h(
    'p',
    { class: 'uhr-note uhr-mapbox' },
    `${mapText(x0, y0, image)} to ${mapText(x1, y1, image)} ${image.place ? placeName(image.place) : ''}`,
  );

/**
 * @param {{row: ObjectRow, now: import('./verdict.js').Counts | null}[]} rows
 * @param {number} coarse The scale that importance is enlarged from.
 */
function fatesTable(rows, coarse) {
  return h(
    'table',
    { class: 'uhr-fates', 'aria-label': 'Fate per scale' },
    tableHead(HEADINGS),
    h(
      'tbody',
      {},
      rows.map(({ row, now }) => fateRow(row, now ?? row, coarse)),
    ),
  );
}

/**
 * @param {ObjectRow} row
 * @param {import('./verdict.js').Counts} now
 * @param {number} coarse
 */
function fateRow(row, now, coarse) {
  if (row.looked === false) return unlookedRow(row);
  const fate = bestFate(now);
  return h(
    'tr',
    { 'data-scale': row.size, 'data-fate': fate },
    h('th', { scope: 'row' }, String(row.size)),
    h('td', {}, pixels(Math.max(...row.pixels)), h('small', {}, plural(row.tokens, 'token'))),
    h(
      'td',
      {},
      percent(row.percentile / 100, row.percentile > 99 ? 1 : 0),
      h('small', {}, row.best_importance.toPrecision(2)),
      !row.scored && enlarged(coarse),
    ),
    h('td', {}, row.best_rank > row.scale_tokens ? 'never' : count(row.best_rank)),
    h(
      'td',
      { class: 'uhr-fate' },
      h('span', { class: 'uhr-dot', style: `background:${FATE[fate]}` }),
      fate,
      h('small', {}, fateDetail(now)),
    ),
  );
}

/** A native scale where no look went to the box. @param {ObjectRow} row */
const unlookedRow = (row) =>
  h(
    'tr',
    { 'data-scale': row.size, 'data-fate': 'unlooked' },
    h('th', { scope: 'row' }, String(row.size)),
    h('td', {}, pixels(Math.max(...row.pixels))),
    h('td', { colspan: 3, class: 'uhr-unlooked' }, 'not looked at'),
  );

/** @param {number} coarse */
const enlarged = (coarse) =>
  h(
    'small',
    { title: `This scale was not scored itself; its importance is enlarged from ${coarse}` },
    'enlarged',
  );

/** Ways to the budget that just preserves the box. @param {number | null} least */
function jumps(least) {
  if (least == null) {
    return [note('No budget keeps it whole: it never scores above its region’s average.')];
  }
  return [
    jump('Keep it', least, 'The smallest total budget that preserves a token of it'),
    least > 1 && jump('Just lost', least - 1, 'One token fewer: it is no longer preserved'),
  ];
}

/**
 * Sets the budget and asks again, so that viewer, verdict and answer are all of it.
 * @param {string} label
 * @param {number} total
 * @param {string} title
 */
const jump = (label, total, title) =>
  h(
    'button',
    {
      type: 'button',
      class: 'uhr-chip',
      title,
      'data-jump': total,
      onclick() {
        chooseBudget(total);
        hooks.again();
      },
    },
    `${label} (${plural(total, 'token')})`,
  );

/** The shown answer, beside which the counterfactuals are read. @param {State} state */
const asItIs = ({ answer }) =>
  h(
    'div',
    { class: cardLook(answer) },
    note('Now'),
    h('p', { class: 'uhr-counteranswer' }, answer?.text ?? '–'),
    answer && note(`${count(answer.tokens)} tokens`),
    answer && otherBudget(answer),
  );

/** @param {{budgets: number[]} | null} answer */
const isOther = (answer) => answer != null && !sameBudgets(answer.budgets, budgets());

/** @param {{budgets: number[]} | null} answer */
const cardLook = (answer) => `uhr-card${isOther(answer) ? ' is-stale' : ''}`;

/** Says of an answer that it is of another budget than the one that is set. @param {{budgets: number[]}} answer */
const otherBudget = (answer) =>
  isOther(answer) && h('p', { class: 'uhr-stale' }, `for ${plural(sum(answer.budgets), 'token')}`);

/**
 * @param {string} label
 * @param {import('./types.d.ts').Counterfactual | null} answer
 * @param {() => void} onclick
 */
const counterfactual = (label, answer, onclick) =>
  h(
    'div',
    { class: cardLook(answer) },
    h('button', { type: 'button', class: 'uhr-small uhr-wide', onclick, disabled: get().busy }, label),
    answer && h('p', { class: 'uhr-counteranswer' }, answer.text || '(empty)'),
    answer && note(`${count(answer.tokens)} tokens · ${seconds(answer.seconds)}`),
    answer && otherBudget(answer),
  );
