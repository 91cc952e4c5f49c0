// The gallery of misses on the Findings page.

import { count, h } from './store.js';

const AT_ONCE = 12;

/** Cards of all misses of the loss tests, by cause, budget and importance; `open(miss)` shows one in the viewer. */
export function misses(all, wide, open) {
  const chosen = { cause: '', budget: '', importance: '', most: AT_ONCE };
  const cards = h('div', { class: 'uhr-misses' });
  const total = h('p', { class: 'uhr-note', role: 'status' });
  const more = h(
    'button',
    {
      type: 'button',
      class: 'uhr-small',
      onclick: () => {
        chosen.most += AT_ONCE;
        draw();
      },
    },
    'Show more',
  );
  const choice = (key, label, values, name) =>
    h(
      'select',
      {
        'aria-label': label,
        class: 'uhr-select',
        onchange: (event) => {
          Object.assign(chosen, { [key]: event.target.value, most: AT_ONCE });
          draw();
        },
      },
      h('option', { value: '' }, `every ${label.toLowerCase()}`),
      [...new Set(values)].map((value) => h('option', { value }, name(value))),
    );

  function draw() {
    const fitting = all.filter(
      (miss) =>
        (!chosen.cause || miss.cause === chosen.cause) &&
        (!chosen.budget || String(miss.budget) === chosen.budget) &&
        (!chosen.importance || miss.method.importance === chosen.importance),
    );
    cards.replaceChildren(...fitting.slice(0, chosen.most).map((miss) => card(miss, wide, open)));
    total.textContent = fitting.length
      ? `${count(Math.min(chosen.most, fitting.length))} of ${count(fitting.length)}`
      : 'None.';
    more.hidden = fitting.length <= chosen.most;
  }
  draw();
  return h(
    'section',
    {},
    h('h3', {}, 'Every miss, to be looked at'),
    h(
      'div',
      { class: 'uhr-choices' },
      choice(
        'cause',
        'Cause',
        all.map((miss) => miss.cause),
        (cause) => cause,
      ),
      choice(
        'budget',
        'Budget',
        all.map((miss) => miss.budget),
        (budget) => `${count(budget)} tokens`,
      ),
      choice(
        'importance',
        'Importance',
        all.map((miss) => miss.method.importance),
        (name) => name,
      ),
      total,
    ),
    cards,
    more,
  );
}

function card(miss, wide, open) {
  const {
    question,
    truth,
    wide_answer: before,
    answer,
    budget,
    cause,
    verdict,
    object,
    object_size: size,
    forced_answer: forced,
    proved,
    without,
  } = miss;
  return h(
    'article',
    { class: 'uhr-miss', 'data-scene': miss.scene },
    h('p', { class: 'uhr-missquestion' }, question),
    h(
      'dl',
      {},
      h('dt', {}, 'truth'),
      h('dd', {}, truth),
      h('dt', {}, `${count(wide)} tokens`),
      h('dd', {}, before),
      h('dt', {}, `${count(budget)} tokens`),
      h('dd', { class: 'uhr-wronganswer' }, answer || '(empty)'),
      forced != null && [
        h('dt', {}, 'forced in'),
        h('dd', {}, forced, proved && h('small', {}, 'proves the cause')),
      ],
    ),
    h(
      'p',
      { class: 'uhr-note' },
      h('b', {}, cause),
      ` · by ${miss.method.importance}`,
      object && ` · ${object}, ${size < 10 ? size.toFixed(1) : count(size)} px`,
      without.length > 0 && ' · the object left out',
    ),
    h('p', { class: 'uhr-note' }, verdict),
    h(
      'button',
      {
        type: 'button',
        class: 'uhr-small',
        'aria-label': `Open in the viewer: ${question}`,
        onclick: () => open(miss),
      },
      'Open in the viewer',
    ),
  );
}
