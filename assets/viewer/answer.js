// The answer, large, and under it the ledger: where every scale's tokens went at the slider's budget.

import { FATE } from './colors.js';
import {
  begin,
  budgets,
  count,
  follow,
  get,
  h,
  on,
  onFrame,
  percent,
  plural,
  sameBudgets,
  seconds,
  set,
  sum,
  truth,
} from './store.js';

const QUICK = 0.7; // seconds: below this the answer follows when the budget is let go of
const STALE = 'stale: the budget has changed';
const NEVER_ASKED = 'Ask a question to see what the model answers from the tokens it keeps.';

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  const head = h('div', { class: 'uhr-answerhead' });
  const caveat = h('p', { class: 'uhr-caveat', role: 'note', hidden: true });
  const ledger = ledgerTable();
  root.replaceChildren(head, caveat, ledger.element);

  follow(context, (value) => set({ answer: value, cost: value?.cost ?? get().cost }));
  on('answer budget question busy image tokens', (state) => {
    const { answer } = state;
    head.replaceChildren(...headline(state));
    caveat.hidden = !answer?.caveat;
    caveat.textContent = answer?.caveat ?? '';
  });
  onFrame('tokens budget ready', ledger.draw);
  on('settled', (state) => {
    if (state.answer?.text != null && !state.busy && staleness(state) === STALE && isQuick(state))
      begin(context.trigger, 'again');
  });
}

/** Whether an answer at the slider's budget is expected at once, from the speed last measured. */
function isQuick({ answer, cost }) {
  if (!cost?.tokens_per_second) return false;
  return sum(budgets()) / cost.tokens_per_second + answer.decode_seconds < QUICK;
}

function headline(state) {
  const { answer, busy, image } = state;
  if (answer?.text == null) {
    const [title, text] = busy
      ? ['Answer', 'Working on it …']
      : image
        ? ['Answer', NEVER_ASKED]
        : ['Answer', 'Choose an example or upload an image to begin.'];
    return [
      h('div', {}, h('p', { class: 'uhr-eyebrow' }, title), h('p', { class: 'uhr-placeholder' }, text)),
    ];
  }
  const stale = staleness(state);
  const known = truth(answer.question);
  const total = sum(answer.budgets);
  const right =
    answer.correct == null
      ? null
      : h(
          'span',
          {
            class: `uhr-mark ${answer.correct ? 'right' : 'wrong'}`,
            title: known ? `The true answer is: ${known.answer}` : '',
          },
          answer.correct ? 'correct' : `not correct: ${known?.answer ?? ''}`,
        );
  return [
    h(
      'div',
      { class: 'uhr-said' },
      h(
        'p',
        { class: 'uhr-eyebrow' },
        `Answer at ${count(total)} tokens`,
        stale &&
          h('span', { class: 'uhr-stale', title: 'Ask again for an answer to what is set now' }, stale),
      ),
      h(
        'p',
        { class: `uhr-answer${stale ? ' is-stale' : ''}`, id: 'uhr-answer' },
        answer.text || '(empty)',
        right,
      ),
      answer.truncated && h('p', { class: 'uhr-note' }, 'The answer was cut at its longest length.'),
    ),
    h(
      'div',
      { class: 'uhr-facts' },
      h(
        'p',
        {},
        `${answer.model} · ${seconds(answer.seconds)} · ${count(answer.tokens)} of 131,328 tokens (${percent(answer.tokens / 131328)})`,
      ),
      evidenceLine(state, known),
      pointsLine(state),
    ),
  ];
}

/** Why the answer no longer belongs to what is set; '' while it does. */
function staleness({ answer, question }) {
  if (answer.question.trim() !== question.trim()) return 'for another question';
  return sameBudgets(answer.budgets, budgets()) ? '' : STALE;
}

/** How many of the evidence objects have a preserved token at the slider's budget, at any scale. */
function evidenceLine({ tokens, image }, known) {
  const objects = (known?.evidence ?? []).map((index) => image.objects[index]);
  if (!objects.length || !tokens) return null;
  const each = budgets();
  const kept = objects.filter(({ rectangles }) =>
    [...tokens.values()].some((own, i) => own.inRectangle(rectangles[i], each[i]).preserved > 0),
  ).length;
  return h(
    'p',
    { title: 'Objects that the true answer depends on, with at least one token preserved at some scale' },
    `evidence: ${kept} of ${objects.length} preserved`,
  );
}

function pointsLine({ points }) {
  if (!points?.length) return null;
  const number = (status) => points.filter((point) => point.status === status).length;
  if (number('pointed')) return h('p', {}, `the model points at ${plural(number('pointed'), 'place')}`);
  return h(
    'p',
    { title: 'Where the model pointed before it answered, against the true evidence' },
    h('span', { class: 'uhr-legendpoint found' }),
    `${number('found')} found `,
    h('span', { class: 'uhr-legendpoint missed' }),
    `${number('missed')} missed `,
    h('span', { class: 'uhr-legendpoint imagined' }),
    `${number('imagined')} imagined`,
  );
}

function ledgerTable() {
  const body = h('tbody');
  const heads = [
    ['scale', 'Side of the resized scene, in pixels'],
    ['', ''],
    ['budget', 'Tokens this scale may hand to the language model'],
    ['preserved', 'Tokens handed over as they are'],
    ['merged', 'Tokens that are part of an average, and how many averages'],
    ['regions', 'Regions with at least one token in the budget'],
    ['dropped', 'Tokens that nothing represents'],
  ];
  const element = h(
    'table',
    { class: 'uhr-ledger', 'aria-label': 'Token ledger' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        heads.map(([text, title]) => h('th', { scope: 'col', title }, text)),
      ),
    ),
    body,
  );

  function draw({ tokens }) {
    element.classList.toggle('is-empty', !tokens);
    const each = budgets();
    const sizes = [672, 1344, 2688, 4032];
    body.replaceChildren(
      ...sizes.map((size, i) => {
        const own = tokens?.get(size);
        const all = (size / 14) ** 2;
        const row = own?.ledger(each[i]);
        const regions = own?.regionsReached(each[i]);
        return h(
          'tr',
          {
            'data-scale': size,
            'data-preserved': row?.preserved,
            'data-merged': row?.merged,
            'data-dropped': row?.dropped,
          },
          h('th', { scope: 'row', title: `${count(all)} tokens` }, String(size)),
          h('td', { class: 'uhr-barcell' }, bar(row, all)),
          h('td', { title: `${row ? count(row.used) : 0} used, of ${count(all)} tokens` }, count(each[i])),
          h('td', {}, row ? count(row.preserved) : '–'),
          h(
            'td',
            {},
            row ? [count(row.merged), row.merged ? h('small', {}, ` in ${count(row.averages)}`) : ''] : '–',
          ),
          h('td', {}, regions == null ? '–' : count(regions)),
          h('td', {}, row ? count(row.dropped) : '–'),
        );
      }),
    );
  }
  return { element, draw };
}

/** A thin stacked bar: preserved, merged, and the rest. */
export function bar(row, all) {
  const part = (fate, n) =>
    h('i', { style: `width:${(100 * n) / all}%;background:${FATE[fate]}`, title: `${count(n)} ${fate}` });
  return h(
    'div',
    { class: 'uhr-bar' },
    row ? [part('preserved', row.preserved), part('merged', row.merged)] : [],
  );
}
