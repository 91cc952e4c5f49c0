// The budget: one logarithmic slider, presets, a number for each scale, and what it costs.

import { budgets, chooseBudget, setBudget, split, useModel } from './budgets.js';
import { CONSTANTS } from './constants.js';
import { costParts } from './cost.js';
import { flag, h } from './dom.js';
import { count, percent, sum } from './format.js';
import { tokensOf, tokensOfAll, tokensOfImage } from './geometry.js';
import { follow, panel } from './gradio.js';
import { looking } from './looking.js';
import { sameBudgets } from './shares.js';
import { get, on, set } from './store.js';
import {
  STEPS,
  TICKS,
  parseTotal,
  presetFor,
  rounded,
  scaleProblem,
  tickText,
  toPosition,
  toTotal,
} from './totals.js';

const { proportion: PROPORTION, presets: PRESETS } = CONSTANTS.budget;
const COST =
  'What so many tokens cost the language model: seconds to read them, at the speed last measured, and memory';

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const problem = problemLine();
  /** Python asks with what the panel's value says. @param {import('./store.js').Budget} budget */
  const tell = ({ total, perScale }) => {
    context.props.value = { total, per_scale: perScale, looks: get().looks };
  };
  panel(context).replaceChildren(
    h('h2', { title: 'How many tokens the language model is given, over all scales' }, 'Token budget'),
    totalRow(problem),
    problem.element,
    slider(),
    ticks(),
    presets(),
    scaleFields(problem),
    costLine(),
    looking(() => tell(get().settled ?? get().budget)),
  );

  on(['chosen'], ({ chosen }) => {
    if (!chosen) return;
    set({ budget: chosen });
    tell(chosen);
    set({ settled: chosen });
  });
  on(['model'], ({ model, budget }) => {
    const all = tokensOfAll(model);
    if (!budget.perScale && budget.total > all) chooseBudget(all);
  });
  let reported = '';
  follow(context, (/** @type {import('./types.d.ts').BudgetValue | null} */ value) => {
    if (!value) return;
    if (value.cost) void price(value);
    // A cost comes for what was set when it was asked for, but for the first: that is what the page opens with.
    if (value.looks != null && (!value.cost || reported === '')) set({ looks: value.looks });
    if (value.cost && (value.looks ?? 0) !== get().looks) tell(get().settled ?? get().budget);
    const key = JSON.stringify([value.total, value.per_scale]);
    const priced = value.cost && key === reported; // the same budget again, with its cost: the slider may have moved since
    reported = key;
    if (!priced && !isShown(value)) setBudget(value.total, value.per_scale);
  });
}

/**
 * A model's cost and, where no answer of another model is shown, its tokens.
 * @param {import('./types.d.ts').BudgetValue} value
 */
async function price({ cost, model }) {
  const shown = get().model.whole ?? get().model;
  try {
    if (model && !get().maps && JSON.stringify(model) !== JSON.stringify(shown)) await useModel(model);
  } finally {
    set({ cost: cost ?? null });
  }
}

/** Whether a value from Python is what the panel shows. @param {import('./types.d.ts').BudgetValue} value */
function isShown({ total, per_scale: perScale }) {
  const { budget } = get();
  return total === budget.total && (perScale ?? null)?.join() === budget.perScale?.join();
}

/** @typedef {ReturnType<typeof problemLine>} ProblemLine */

/** A line for what is wrong with a typed number; any change of the budget clears it. */
function problemLine() {
  const element = h('p', { class: 'uhr-problem', role: 'alert', hidden: true });
  /** @param {string} text '' where nothing is wrong. */
  function show(text) {
    element.hidden = text === '';
    element.textContent = text;
  }
  on(['budget'], () => show(''));
  return { element, show };
}

/** @param {ProblemLine} problem */
function totalRow(problem) {
  const field = h('input', {
    class: 'uhr-total',
    type: 'text',
    inputmode: 'numeric',
    'aria-label': 'Total budget in tokens',
    autocomplete: 'off',
    onchange: typed,
  });
  const share = h('span', { class: 'uhr-share' });
  field.addEventListener('keydown', (event) => event.key === 'Enter' && field.blur());

  function typed() {
    const most = tokensOfAll(get().model);
    const total = parseTotal(field.value, most);
    flag(field, 'aria-invalid', total == null);
    problem.show(
      total == null
        ? `Enter a whole number from 1 to ${count(most)}, the number of tokens in the image.`
        : '',
    );
    if (total != null) chooseBudget(total);
  }

  on(['budget', 'model', 'image'], ({ model, image }) => {
    const [total, all] = [sum(budgets()), tokensOfImage(model, image)];
    if (document.activeElement !== field) field.value = count(total);
    field.removeAttribute('aria-invalid');
    share.textContent = `of ${count(all)} · ${percent(Math.min(1, total / all))}`;
  });
  return h('div', { class: 'uhr-totalrow' }, field, share);
}

function slider() {
  const input = h('input', {
    type: 'range',
    min: 0,
    max: STEPS,
    step: 1,
    class: 'uhr-slider',
    'aria-label': 'Token budget',
    oninput: () => setBudget(Math.min(rounded(toTotal(+input.value)), tokensOfAll(get().model))),
    onchange: () => chooseBudget(get().budget.total, get().budget.perScale),
  });
  on(['budget'], () => {
    const total = sum(budgets());
    const position = toPosition(total);
    input.value = String(position);
    input.style.setProperty('--filled', `${Math.min(100, (position / STEPS) * 100)}%`);
    input.setAttribute('aria-valuetext', `${count(total)} tokens`);
  });
  return input;
}

const ticks = () =>
  h(
    'div',
    { class: 'uhr-ticks', 'aria-hidden': 'true' },
    TICKS.map((total) => h('span', { style: `left:${(toPosition(total) / STEPS) * 100}%` }, tickText(total))),
  );

/**
 * A preset of the paper's: its total and, where the model's scales have so many, its tokens for each.
 * @param {number[]} each
 * @returns {[number, number[] | null]}
 */
function preset(each) {
  const { model } = get();
  // no preset knows native scales
  return [sum(each), model.whole ? null : presetFor(each, model)];
}

function presets() {
  const chips = PRESETS.map(({ name, per_scale: each, tip }) =>
    h(
      'button',
      {
        type: 'button',
        class: 'uhr-chip',
        title: `${tip}: ${each.map(count).join(' / ')} tokens`,
        onclick: () => chooseBudget(...preset(each)),
      },
      name,
    ),
  );
  on(['budget', 'model'], () =>
    chips.forEach((chip, i) => {
      const [total, own] = preset(PRESETS[i].per_scale);
      chip.hidden = total > tokensOfAll(get().model);
      flag(chip, 'aria-pressed', sameBudgets(budgets(), own ?? split(total)));
    }),
  );
  return h('div', { class: 'uhr-chips' }, chips);
}

/**
 * A field for each scale, folded away.
 * @param {ProblemLine} problem
 */
function scaleFields(problem) {
  const row = h('div', { class: 'uhr-perscale' });
  const explanation = h('p', { class: 'uhr-note' });
  const fields = () => [...row.querySelectorAll('input')];

  /** @param {number} changed */
  function typed(changed) {
    const values = fields().map((field) => Math.round(Number(field.value)));
    const wrong = scaleProblem(values, changed, get().model);
    problem.show(wrong);
    if (!wrong) chooseBudget(0, values);
  }

  on(['model'], ({ model }) =>
    row.replaceChildren(
      ...model.scales.map((size, i) =>
        h(
          'label',
          {},
          h('span', {}, String(size)),
          scaleField(model, size, () => typed(i)),
        ),
      ),
    ),
  );
  on(['budget', 'model'], ({ budget }) => {
    const each = budgets();
    fields().forEach((field, i) => {
      if (document.activeElement !== field) field.value = String(each[i]);
    });
    explanation.textContent = budget.perScale
      ? 'Set by hand. Moving the slider splits the total again.'
      : `Split over the scales as in the paper, ${PROPORTION.map(count).join(' : ')}${get().model.whole ? '; native scales together count at most as the finest other' : ''}.`;
  });
  return h('details', { class: 'uhr-fold' }, h('summary', {}, 'Per scale'), row, explanation);
}

/**
 * @param {import('./types.d.ts').Geometry} model
 * @param {number} size
 * @param {() => void} onchange
 */
const scaleField = (model, size, onchange) =>
  h('input', {
    type: 'number',
    min: 0,
    max: tokensOf(model, size),
    step: 1,
    'aria-label': `Budget of scale ${size}`,
    onchange,
  });

function costLine() {
  const line = h('p', { class: 'uhr-note uhr-cost', title: COST });
  on(['budget', 'cost'], ({ cost }) => {
    line.textContent = costParts(cost, sum(budgets())).join(' · ');
  });
  return line;
}
