// The Object tab: what became of the tokens of a box, why, and what the answer would be with and without them.

import { chooseBox } from './boxtool.js';
import { FATE } from './colors.js';
import { mapText } from './places.js';
import {
  begin,
  budgets,
  count,
  follow,
  get,
  h,
  on,
  onFrame,
  plural,
  seconds,
  set,
  sum,
  url,
} from './store.js';

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  const typed = ['x0', 'y0', 'x1', 'y1'].map((name) =>
    h('input', { type: 'number', min: 0, step: 1, 'aria-label': `Box ${name}`, placeholder: name }),
  );
  const form = h(
    'form',
    {
      class: 'uhr-boxform',
      onsubmit: (event) => {
        event.preventDefault();
        useTyped();
      },
    },
    typed,
    h('button', { type: 'submit', class: 'uhr-small' }, 'Inspect'),
  );
  const problem = h('p', { class: 'uhr-problem', role: 'alert', hidden: true });
  const draw = h('button', {
    type: 'button',
    class: 'uhr-small uhr-wide',
    onclick: () => set({ drawing: !get().drawing }),
  });
  const result = h('div', { class: 'uhr-object', 'aria-live': 'polite' });
  root.replaceChildren(
    h('p', { class: 'uhr-lead' }, 'Draw a box around an object to see whether its tokens reach the model.'),
    draw,
    form,
    problem,
    result,
  );

  function useTyped() {
    const box = typed.map((field) => Number(field.value));
    const { image } = get();
    const [x0, y0, x1, y1] = box;
    const fits =
      image &&
      typed.every((field) => field.value !== '') &&
      x0 >= 0 &&
      y0 >= 0 &&
      x0 < x1 &&
      y0 < y1 &&
      x1 <= image.width &&
      y1 <= image.height;
    problem.hidden = Boolean(fits);
    problem.textContent = image
      ? `Give x0 < x1 ≤ ${count(image.width)} and y0 < y1 ≤ ${count(image.height)}, in image pixels.`
      : 'Choose an image first.';
    if (fits) chooseBox(box, context.trigger);
  }

  follow(context, (value) => set({ object: value }));
  on('drawing', ({ drawing }) => {
    draw.textContent = drawing ? 'Drag on the image … (Esc to stop)' : 'Draw a box';
    draw.setAttribute('aria-pressed', Boolean(drawing));
  });
  on(
    'box',
    ({ box }) =>
      box &&
      typed.forEach((field, i) => {
        field.value = box[i];
        problem.hidden = true;
      }),
  );
  onFrame('object box budget tokens answer maps busy', (state) =>
    result.replaceChildren(...content(state, context.trigger).filter(Boolean)),
  );
}

function content(state, trigger) {
  const { object, box, maps, image } = state;
  if (!box || !image) return [];
  if (!maps)
    return [
      h('p', { class: 'uhr-placeholder' }, 'Ask a question first: what becomes of a box depends on it.'),
    ];
  if (object?.error) return [h('p', { class: 'uhr-error', role: 'alert' }, object.error)];
  const here = object?.box && object.box.join() === box.join() && object.maps === maps.id;
  if (!here) return [h('p', { class: 'uhr-placeholder' }, 'Looking at its tokens …')];
  const rows = object.rows.map((row, i) => ({
    ...row,
    now: state.tokens?.get(row.size)?.inRectangle(row, budgets()[i]),
  }));
  const step = verdictNow(object, rows);
  return [
    h(
      'p',
      { class: 'uhr-note' },
      `${count(box[2] - box[0])} × ${count(box[3] - box[1])} px in the image · `,
      h('button', { type: 'button', class: 'uhr-link', onclick: () => set({ goto: { box } }) }, 'show'),
      ' · ',
      h(
        'a',
        {
          class: 'uhr-link',
          href: url(`run/${maps.id}/objects.geojson`),
          download: 'uhrbat-objects.geojson',
          title: 'This box, the points and the objects, on the map where the file has one',
        },
        'GeoJSON',
      ),
    ),
    image.place &&
      h(
        'p',
        { class: 'uhr-note uhr-mapbox' },
        `${mapText(box[0], box[1], image)} to ${mapText(box[2], box[3], image)} ${image.place.crs}`,
      ),
    table(rows),
    h(
      'p',
      { class: `uhr-verdict ${step.preserved ? 'kept' : 'lost'}`, 'data-cause': step.cause },
      h('b', {}, title(step)),
      ' ',
      step.verdict,
    ),
    h('div', { class: 'uhr-chips' }, jumps(object)),
    h(
      'h4',
      { title: 'The same question with the tokens of this box forced into the budget, and taken out of it' },
      'With and without it',
    ),
    h(
      'div',
      { class: 'uhr-counter' },
      asItIs(state),
      counterfactual('Force in', object.forced, () => begin(trigger, 'force', { box, image: image.id })),
      counterfactual('Take out', object.without, () => begin(trigger, 'without', { box, image: image.id })),
    ),
  ];
}

/** The verdict at the slider's budget: the server's steps over the total, or its own words at these very budgets. */
function verdictNow(object, rows) {
  const same = object.budgets.every((budget, i) => budget === budgets()[i]);
  if (same || get().budget.perScale) {
    const preserved = rows.some((row) => row.now?.preserved);
    return same ? { ...object, preserved } : { cause: '', preserved, verdict: '…' };
  }
  const total = sum(budgets());
  return object.steps.findLast((step) => step.total <= total) ?? object.steps[0];
}

const title = ({ preserved, cause }) => (preserved ? 'Kept.' : cause ? `Lost: ${cause}.` : 'Lost.');

function table(rows) {
  const heads = [
    ['scale', 'Side of the resized scene, in pixels'],
    ['size', "The box's longer side in this scale's pixels, and how many tokens it touches"],
    [
      'importance',
      "Of the box's best token: the share of the scale's tokens that it outscores, and its value",
    ],
    ['rank', 'The best rank of its tokens: the smallest budget of this scale that represents one'],
    ['fate', 'At this budget'],
  ];
  return h(
    'table',
    { class: 'uhr-fates', 'aria-label': 'Fate per scale' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        heads.map(([text, tip]) => h('th', { scope: 'col', title: tip }, text)),
      ),
    ),
    h(
      'tbody',
      {},
      rows.map((row) => {
        const now = row.now ?? row;
        const fate = now.preserved ? 'preserved' : now.merged ? 'merged' : 'dropped';
        const detail =
          fate === 'preserved'
            ? `${count(now.preserved)} of ${count(now.tokens)}`
            : fate === 'merged'
              ? `with ${count(Math.max(0, (now.members ?? row.members) - 1))}`
              : '';
        const side = Math.max(...row.pixels);
        return h(
          'tr',
          { 'data-scale': row.size, 'data-fate': fate },
          h('th', { scope: 'row' }, String(row.size)),
          h(
            'td',
            {},
            `${side < 10 ? side.toFixed(1) : count(side)} px`,
            h('small', {}, plural(row.tokens, 'token')),
          ),
          h(
            'td',
            {},
            `${row.percentile.toFixed(row.percentile > 99 ? 1 : 0)} %`,
            h('small', {}, row.best_importance.toPrecision(2)),
            row.scored
              ? null
              : h(
                  'small',
                  { title: 'This scale was not scored itself; its importance is enlarged from 672' },
                  'enlarged',
                ),
          ),
          h('td', {}, row.best_rank > row.scale_tokens ? 'never' : count(row.best_rank)),
          h(
            'td',
            { class: 'uhr-fate' },
            h('span', { class: 'uhr-dot', style: `background:${FATE[fate]}` }),
            fate,
            h('small', {}, detail),
          ),
        );
      }),
    ),
  );
}

function jumps(object) {
  const least = object.smallest_budget;
  if (least == null)
    return [
      h('p', { class: 'uhr-note' }, 'No budget preserves it: it never stands above the mean of its region.'),
    ];
  const go = (total) => window.UHRBAT.chooseBudget(total);
  const chip = (total, tip) =>
    h(
      'button',
      { type: 'button', class: 'uhr-chip', title: tip, 'data-jump': total, onclick: () => go(total) },
      `Go to ${plural(total, 'token')}`,
    );
  return [
    chip(least, 'The smallest total budget that preserves a token of it'),
    least > 1 && chip(least - 1, 'One token fewer: it is no longer preserved'),
  ];
}

/** The shown answer, beside which the counterfactuals are read. */
function asItIs({ answer }) {
  return h(
    'div',
    { class: 'uhr-card' },
    h('p', { class: 'uhr-note' }, 'As it is'),
    h('p', { class: 'uhr-counteranswer' }, answer?.text ?? '–'),
    answer?.text != null && h('p', { class: 'uhr-note' }, `${count(answer.tokens)} tokens`),
  );
}

function counterfactual(label, answer, run) {
  return h(
    'div',
    { class: 'uhr-card' },
    h('button', { type: 'button', class: 'uhr-small uhr-wide', onclick: run, disabled: get().busy }, label),
    answer?.text != null && h('p', { class: 'uhr-counteranswer' }, answer.text || '(empty)'),
    answer?.text != null &&
      h('p', { class: 'uhr-note' }, `${count(answer.tokens)} tokens · ${seconds(answer.seconds)}`),
    answer?.error && h('p', { class: 'uhr-problem' }, answer.error),
  );
}
