// The budget: one logarithmic slider, presets, a number for each scale, and what it costs.

import {
  SIZES,
  TOKENS,
  budgets,
  bytes,
  count,
  follow,
  get,
  h,
  on,
  percent,
  sameBudgets,
  seconds,
  set,
  setBudget,
  sum,
} from './store.js';

const [LEAST, MOST, STEPS] = [64, 16000, 1000];
const PRESETS = [
  { name: 'Released', perScale: [80, 320, 600, 2000], tip: 'What the released model was trained with' },
  { name: 'XLRS', perScale: [180, 1320, 1600, 8000], tip: "The paper's budgets for XLRS-Bench" },
  {
    name: 'RSHR',
    perScale: [80, 320, 1600, 4000],
    tip: "The paper's budgets for RSHR-Bench and MME-RealWorld-RS",
  },
];

const toTotal = (position) => LEAST * (MOST / LEAST) ** (position / STEPS);
const toPosition = (total) => (STEPS * Math.log(Math.max(total, LEAST) / LEAST)) / Math.log(MOST / LEAST);
const rounded = (total) => {
  const step = total < 500 ? 1 : total < 2000 ? 5 : total < 8000 ? 10 : 50;
  return Math.round(total / step) * step;
};

export async function mount(context) {
  const { element, props } = context;
  const root = element.querySelector('.uhr-panel');

  /** The budget stands: let Python know it, and answer anew where that is quick. */
  const commit = () => {
    const { total, perScale } = get().budget;
    props.value = { total, per_scale: perScale };
    set({ settled: get().budget });
  };
  const choose = (total, perScale = null) => {
    setBudget(total, perScale);
    commit();
  };
  window.UHRBAT.chooseBudget = choose;

  const number = h('input', {
    class: 'uhr-total',
    type: 'text',
    inputmode: 'numeric',
    'aria-label': 'Total budget in tokens',
    autocomplete: 'off',
  });
  const share = h('span', { class: 'uhr-share' });
  const problem = h('p', { class: 'uhr-problem', role: 'alert', hidden: true });
  const slider = h('input', {
    type: 'range',
    min: 0,
    max: STEPS,
    step: 1,
    class: 'uhr-slider',
    'aria-label': 'Token budget',
  });
  const ticks = h(
    'div',
    { class: 'uhr-ticks', 'aria-hidden': 'true' },
    [64, 256, 1000, 4000, 16000].map((total) =>
      h(
        'span',
        { style: `left:${(toPosition(total) / STEPS) * 100}%` },
        total < 1000 ? String(total) : `${total / 1000}k`,
      ),
    ),
  );
  const presets = PRESETS.map(({ name, perScale, tip }) =>
    h(
      'button',
      {
        type: 'button',
        class: 'uhr-chip',
        title: `${tip}: ${perScale.map(count).join(' / ')} tokens`,
        onclick: () => choose(sum(perScale), perScale),
      },
      name,
    ),
  );
  const fields = SIZES.map((size, i) =>
    h('input', {
      type: 'number',
      min: 0,
      max: (size / 14) ** 2,
      step: 1,
      'aria-label': `Budget of scale ${size}`,
      onchange: () => perScaleTyped(i),
    }),
  );
  const perScaleNote = h('p', { class: 'uhr-note' });
  const details = h(
    'details',
    { class: 'uhr-fold' },
    h('summary', {}, 'Per scale'),
    h(
      'div',
      { class: 'uhr-perscale' },
      SIZES.map((size, i) => h('label', {}, h('span', {}, String(size)), fields[i])),
    ),
    perScaleNote,
  );
  const cost = h('p', { class: 'uhr-note uhr-cost' });

  root.replaceChildren(
    h('h3', { title: 'How many tokens the language model is handed, over all four scales' }, 'Token budget'),
    h('div', { class: 'uhr-totalrow' }, number, share),
    problem,
    slider,
    ticks,
    h('div', { class: 'uhr-chips' }, presets),
    details,
    cost,
  );

  slider.addEventListener('input', () => setBudget(rounded(toTotal(+slider.value))));
  slider.addEventListener('change', commit);
  number.addEventListener('change', () => {
    const total = Number(number.value.replace(/[,\s]/g, ''));
    const right = Number.isInteger(total) && total >= 1 && total <= TOKENS;
    problem.hidden = right;
    problem.textContent = right
      ? ''
      : `Give a whole number from 1 to ${count(TOKENS)}: there are no more tokens.`;
    number.setAttribute('aria-invalid', !right);
    if (right) choose(total);
  });
  number.addEventListener('keydown', (event) => event.key === 'Enter' && number.blur());

  function perScaleTyped(changed) {
    const values = fields.map((field) => Math.round(Number(field.value)));
    const most = SIZES.map((size) => (size / 14) ** 2);
    const wrong = !(values[changed] >= 0 && values[changed] <= most[changed]);
    problem.hidden = !wrong && sum(values) > 0;
    problem.textContent = wrong
      ? `Scale ${SIZES[changed]} has ${count(most[changed])} tokens: give 0 to ${count(most[changed])}.`
      : 'At least one token is needed.';
    if (problem.hidden) choose(0, values);
  }

  on('budget', ({ budget }) => {
    const each = budgets();
    const total = sum(each);
    if (document.activeElement !== number) number.value = count(total);
    problem.hidden = true;
    number.removeAttribute('aria-invalid');
    share.textContent = `of ${count(TOKENS)} · ${percent(total / TOKENS)}`;
    slider.value = toPosition(total);
    slider.style.setProperty('--filled', `${Math.min(100, (toPosition(total) / STEPS) * 100)}%`);
    slider.setAttribute('aria-valuetext', `${count(total)} tokens`);
    fields.forEach((field, i) => {
      if (document.activeElement !== field) field.value = each[i];
    });
    presets.forEach((chip, i) =>
      chip.setAttribute('aria-pressed', Boolean(sameBudgets(each, PRESETS[i].perScale))),
    );
    perScaleNote.textContent = budget.perScale
      ? 'Set for each scale; moving the slider shares the total anew.'
      : 'Shared in the released proportion 80 : 320 : 600 : 2,000.';
  });
  on('budget cost', ({ cost: price }) => {
    const total = sum(budgets());
    const parts = price?.model ? [price.model] : [];
    if (price?.tokens_per_second) parts.push(`≈ ${seconds(total / price.tokens_per_second)} prefill`);
    else if (price) parts.push('prefill time: known after its first answer');
    if (price?.bytes_per_token) parts.push(`${bytes(total * price.bytes_per_token)} cache`);
    if (price?.device) parts.push(price.device);
    cost.textContent = parts.join(' · ');
    cost.title =
      'What handing over this many tokens costs the language model: seconds to read them, from the speed last measured, and memory of its cache';
  });
  follow(context, (value) => {
    if (value?.cost) set({ cost: value.cost });
    if (value && !same(value)) setBudget(value.total, value.per_scale ?? null);
  });
}

const same = (value) =>
  value.total === get().budget.total &&
  (value.per_scale ?? null)?.join() === (get().budget.perScale ?? null)?.join();
