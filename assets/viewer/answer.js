// The answer, large, and under it the ledger.

import { STALE, isQuick, staleness } from './answers.js';
import { budgets } from './budgets.js';
import { h, shown } from './dom.js';
import { count, percent, plural, seconds, sum } from './format.js';
import { tokensOfImage } from './geometry.js';
import { begin, follow, panel } from './gradio.js';
import { hooks } from './hooks.js';
import { ledger } from './ledger.js';
import { note, placeholder } from './parts.js';
import { get, goToObject, on, set } from './store.js';
import { measuredAt } from './sweeps.js';
import { countPreserved, truthOf } from './truth.js';
import { wordsRow } from './words.js';

/**
 * @typedef {import('./types.d.ts').Answer} Answer
 * @typedef {Readonly<import('./store.js').State>} State
 */

const NO_IMAGE = 'Choose an example or upload an image to begin.';
const NEVER_ASKED = 'Ask a question to see what the model answers from the tokens it keeps.';

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const head = h('div', { class: 'uhr-answerhead' });
  const warning = h('p', { class: 'uhr-caveat', role: 'note', hidden: true });
  const spoken = h('p', { class: 'uhr-unseen', role: 'status' });
  panel(context).replaceChildren(spoken, warning, head, ...wordsRow(context.trigger), ledger());
  on(['answer'], ({ answer }) => {
    spoken.textContent = answer ? spokenAnswer(answer) : '';
  });

  follow(context, (/** @type {Answer | null} */ value) =>
    set({ answer: value, cost: value?.cost ?? get().cost }),
  );
  on(['answer', 'points', 'budget', 'question', 'busy', 'image', 'tokens', 'sweep'], (state) => {
    const { answer } = state;
    head.replaceChildren(...shown(answer ? headline(answer, state) : [noAnswer(state)]));
    warning.textContent = doubt(answer);
    warning.hidden = !warning.textContent;
  });
  hooks.again = () => begin(context.trigger, 'again');
  on(['settled'], ({ answer, busy, cost, question }) => {
    if (!answer || busy || staleness(answer, question, budgets()) !== STALE) return;
    if (measuredAt(get().sweep, question, sum(budgets()))) return; // what was measured is shown already
    if (isQuick(answer, cost, budgets())) hooks.again();
  });
}

/**
 * Why an answer is not to be trusted, said before it: the question, or else the picture, is of a kind that is not known.
 * @param {Answer | null} answer
 */
export const doubt = (answer) => answer?.not_understood ?? answer?.caveat ?? '';

/** What a screen reader says when an answer comes. @param {Answer} answer */
export function spokenAnswer(answer) {
  const { text, budgets: each, correct } = answer;
  const right = correct == null ? '' : correct ? ', correct' : ', wrong';
  const said = `Answered at ${count(sum(each))} tokens: ${text || 'nothing'}${right}.`;
  return [doubt(answer), said].filter(Boolean).join(' ');
}

/** @param {State} state */
function noAnswer({ busy, image }) {
  const text = busy ? 'Working on it …' : image ? NEVER_ASKED : NO_IMAGE;
  return h('div', {}, h('p', { class: 'uhr-eyebrow' }, 'Answer'), placeholder(text));
}

/**
 * @param {Answer} answer
 * @param {State} state
 */
function headline(answer, state) {
  const stale = staleness(answer, state.question, budgets());
  const swept = stale === STALE ? measuredAt(state.sweep, answer.question, sum(budgets())) : null;
  if (swept) return measuredHeadline(answer, swept, state);
  const known = truthOf(state.image, answer.question);
  return [
    h(
      'div',
      { class: 'uhr-said' },
      h('p', { class: 'uhr-eyebrow' }, `Answer at ${count(sum(answer.budgets))} tokens`, staleMark(stale)),
      h(
        'p',
        {
          class: `uhr-answer${stale ? ' is-stale' : ''}${doubt(answer) ? ' is-doubted' : ''}`,
          id: 'uhr-answer',
        },
        answer.text || '(empty)',
        correctMark(answer, known),
      ),
      answer.truncated && note('The answer was cut at its longest length.'),
      answer.read_as && note(`Read as: ${answer.read_as}`),
      answer.measured && !doubt(answer) && note(answer.measured),
    ),
    h(
      'div',
      { class: 'uhr-facts' },
      h('p', {}, cost(answer, tokensOfImage(state.model, state.image))),
      evidenceLine(state, known),
      pointsLine(state),
    ),
  ];
}

/**
 * While the slider moves: the answer that was measured at the nearest budget below.
 * @param {Answer} answer
 * @param {import('./sweeps.js').Point} swept
 * @param {State} state
 */
function measuredHeadline(answer, swept, state) {
  const known = truthOf(state.image, answer.question);
  const exact = swept.total === sum(budgets());
  const where = exact ? '' : ', the nearest budget below that was measured';
  return [
    h(
      'div',
      { class: 'uhr-said' },
      h('p', { class: 'uhr-eyebrow' }, `Answer at ${count(swept.total)} tokens${where}`),
      h(
        'p',
        { class: `uhr-answer${doubt(answer) ? ' is-doubted' : ''}`, id: 'uhr-answer' },
        swept.answer || '(empty)',
        correctMark(swept, known),
      ),
      note(`Press Ask for the answer at ${count(sum(budgets()))} tokens.`),
    ),
    h('div', { class: 'uhr-facts' }, evidenceLine(state, known)),
  ];
}

/** @param {string} stale */
const staleMark = (stale) =>
  stale !== '' &&
  h('span', { class: 'uhr-stale', title: 'Ask again for an answer to what is set now' }, stale);

/**
 * @param {Pick<Answer, 'correct'>} answer
 * @param {import('./types.d.ts').KnownQuestion | null} known
 */
function correctMark({ correct }, known) {
  if (correct == null) return null;
  return h(
    'span',
    {
      class: `uhr-mark ${correct ? 'right' : 'wrong'}`,
      title: known ? `The true answer is: ${known.answer}` : '',
    },
    correct ? 'correct' : `wrong (correct: ${known?.answer ?? ''})`,
  );
}

/**
 * @param {Answer} answer
 * @param {number} all Tokens of the image.
 */
const cost = ({ model, seconds: took, tokens }, all) =>
  `${model} · ${seconds(took)} · ${count(tokens)} of ${count(all)} tokens (${percent(tokens / all)})`;

/**
 * How many of the evidence objects are preserved at the slider's budget.
 * @param {State} state
 * @param {import('./types.d.ts').KnownQuestion | null} known
 */
function evidenceLine({ tokens, image }, known) {
  if (!image || !tokens || !known?.evidence.length) return null;
  const objects = known.evidence.map((index) => image.objects[index]);
  const kept = countPreserved(objects, image, tokens.values(), budgets());
  return h(
    'p',
    { title: 'Objects that the true answer depends on, with at least one token preserved at some scale' },
    `evidence: ${kept} of ${objects.length} preserved`,
  );
}

/**
 * How often the model pointed right, and links to what it missed and to where there is nothing.
 * @param {State} state
 */
function pointsLine({ points }) {
  if (!points?.length) return null;
  /** @param {string} status */
  const those = (status) => points.filter((point) => point.status === status);
  const pointed = those('pointed').length;
  if (pointed) return h('p', {}, `the model marked ${plural(pointed, 'place')}`);
  return h(
    'div',
    {
      title:
        'Where the model pointed before it answered, against the objects that the true answer depends on',
    },
    h(
      'p',
      {},
      ...['found', 'missed', 'imagined'].flatMap((status) => [
        h('span', { class: `uhr-legendpoint ${status}` }),
        `${those(status).length} ${WORDS[status]} `,
      ]),
    ),
    h('p', { class: 'uhr-places' }, those('missed').slice(0, MOST_LINKS).map(placeLink)),
  );
}

/** @type {Record<string, string>} */
const WORDS = { found: 'found', missed: 'missed', imagined: 'where nothing is' };
const MOST_LINKS = 6;

/** @param {import('./types.d.ts').PointMark} point */
function placeLink({ label, box }) {
  const onclick = () => box && goToObject(box);
  return h('button', { type: 'button', class: 'uhr-link', onclick }, label);
}
