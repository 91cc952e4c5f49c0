// What each word of the answer looked at: the model's own attention, drawn over the map while a word is pointed at.

import { staleness } from './answers.js';
import { budgets } from './budgets.js';
import { flag, h, url } from './dom.js';
import { percent } from './format.js';
import { begin } from './gradio.js';
import { get, on, set } from './store.js';

/**
 * @typedef {import('./types.d.ts').Words} Words
 * @typedef {Readonly<import('./store.js').State>} State
 *
 * @typedef {object} Looked What every word looked at.
 * @property {string} maps Id of the maps whose ranks are meant.
 * @property {string[]} words
 * @property {Map<number, Float32Array[]>} weights By scale and word, by rank from 1.
 */

const FAINT = 0.1; // of the strongest; what is below it is not drawn
const POINT = 'Point at a word, or press it, to see on the image what it looked at.';
const ASK = 'What did each word look at?';
const ASKED =
  'The language model’s own attention in its last layer; the answer is generated once more to read it';

/**
 * The row of words under the answer.
 * @param {import('./types.d.ts').Trigger} trigger
 */
export function wordsRow(trigger) {
  const row = h('div', { class: 'uhr-words' });
  const said = h('p', { class: 'uhr-note', role: 'status' });
  /** The word that stays shown when the pointer leaves, by click or tap. @type {number | null} */
  let held = null;

  on(['answer'], ({ answer }) => {
    held = null;
    set({ word: null, looked: null });
    if (answer?.words) load(answer.words);
  });
  on(['answer', 'looked', 'busy', 'budget', 'question'], (state) => {
    const { answer, looked, busy } = state;
    const fits = answer != null && staleness(answer, state.question, budgets()) === '';
    if (!fits) held = null; // before the row is hidden: the focus leaves its button then
    row.hidden = !fits;
    if (!fits && state.word != null) set({ word: null });
    if (looked) row.replaceChildren(...looked.words.map((word, i) => wordButton(word, i)));
    else
      row.replaceChildren(
        h(
          'button',
          {
            type: 'button',
            class: 'uhr-link',
            title: ASKED,
            disabled: busy,
            onclick: () => begin(trigger, 'words'),
          },
          ASK,
        ),
      );
  });
  on(['word', 'looked'], ({ word, looked }) => {
    for (const [i, button] of [...row.querySelectorAll('.uhr-word')].entries())
      flag(button, 'aria-pressed', i === word);
    // A line in either case: the card must not move under the pointer.
    said.textContent = looked ? (word == null ? POINT : sentence(looked, word)) : '';
  });

  /**
   * @param {string} word
   * @param {number} i
   */
  function wordButton(word, i) {
    const show = () => set({ word: i });
    const leave = () => set({ word: held });
    const button = h(
      'button',
      {
        type: 'button',
        class: 'uhr-chip uhr-word',
        onclick: () => {
          held = held === i ? null : i;
          set({ word: held });
        },
      },
      word,
    );
    for (const event of ['mouseenter', 'focus']) button.addEventListener(event, show);
    for (const event of ['mouseleave', 'blur']) button.addEventListener(event, leave);
    return button;
  }
  return [row, said];
}

/** @param {Words} words */
async function load(words) {
  const reply = await fetch(url(words.source));
  if (!reply.ok) return;
  const all = new Float32Array(await reply.arrayBuffer());
  const { answer, model } = get();
  if (answer?.words !== words) return;
  set({ looked: { maps: words.maps, words: words.words, weights: unpackWords(words, all, model.scales) } });
}

/**
 * Weights as they come, by scale, word and rank.
 * @param {Pick<Words, 'words' | 'ranks'>} words
 * @param {Float32Array} all
 * @param {readonly number[]} scales
 */
export function unpackWords({ words, ranks }, all, scales) {
  let at = 0;
  return new Map(scales.map((size, i) => [size, words.map(() => all.subarray(at, (at += ranks[i])))]));
}

/** @param {ArrayLike<number>} values */
const total = (values) => Array.from(values).reduce((sum, value) => sum + value, 0);

/**
 * How much of its attention a word gave to the image, and to which scales.
 * @param {Looked} looked
 * @param {number} word
 */
export function sentence({ words, weights }, word) {
  const each = [...weights].map(([size, all]) => /** @type {const} */ ([size, total(all[word])]));
  const whole = total(each.map(([, share]) => share));
  const scales = each.map(([size, share]) => `${percent(share / (whole || 1))} at ${size}`).join(', ');
  return `“${words[word]}” gave ${percent(whole)} of its attention to the image: ${scales}.`;
}

/**
 * Where every token of a scale stands for a word, 0..1 of the strongest at any scale; -1 where it was hardly looked at.
 * @param {Pick<import('./tokens.js').ScaleTokens, 'size' | 'count' | 'rank' | 'outside' | 'members'>} tokens
 * @param {Looked} looked
 * @param {number} word
 */
export function wordPositions(tokens, { weights }, word) {
  let most = 0;
  for (const all of weights.values()) for (const value of all[word]) most = Math.max(most, value);
  const own = weights.get(tokens.size)?.[word];
  return Float32Array.from({ length: tokens.count }, (_value, i) => {
    const given = own?.[tokens.rank[i] - 1];
    if (!given || tokens.outside[i]) return -1;
    const share = Math.sqrt(given / tokens.members(i) / most);
    return share < FAINT ? -1 : share;
  });
}
