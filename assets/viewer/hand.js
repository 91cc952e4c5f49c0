// Tokens by hand: regions added to what the model is given and removed from it, and the answer then.

import { budgets } from './budgets.js';
import { flag, h, shown } from './dom.js';
import { count, plural, seconds, sum } from './format.js';
import { begin, follow, panel } from './gradio.js';
import { note, tick } from './parts.js';
import { sameBudgets } from './shares.js';
import { get, on, set } from './store.js';

/**
 * @typedef {import('./types.d.ts').Box} Box
 * @typedef {'force' | 'without'} Tool
 */

const MOST = 64; // boxes in a request (app/explorer.py: MOST_LISTED)
/** @type {Record<Tool, {label: string, drawing: string, tip: string}>} */
const TOOLS = {
  force: {
    label: 'Add tokens',
    drawing: 'Click or drag to add … (Esc to stop)',
    tip: 'Click a token, or drag over several: they are given to the model first',
  },
  without: {
    label: 'Remove tokens',
    drawing: 'Click or drag to remove … (Esc to stop)',
    tip: 'Click a token, or drag over several: they are not given to the model',
  },
};

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const result = h('div', { 'aria-live': 'polite' });
  panel(context).replaceChildren(
    h(
      'details',
      { class: 'uhr-hand' },
      h('summary', {}, 'Choose tokens by hand'),
      note(
        'Add or remove tokens of the scale that is shown, then ask with them. Added ones count into the budget.',
      ),
      h(
        'div',
        { class: 'uhr-chips' },
        Object.entries(TOOLS).map(([tool, words]) => toolButton(/** @type {Tool} */ (tool), words)),
      ),
      result,
    ),
  );
  follow(context, (/** @type {import('./types.d.ts').HandAnswer | null} */ value) =>
    set({ handAnswer: value }),
  );
  on(['image'], () => set({ hand: { force: [], without: [] } }));
  on(['hand', 'handAnswer', 'maps', 'busy', 'budget'], (state) =>
    result.replaceChildren(...shown(content(state, context.trigger))),
  );
}

/**
 * @param {Tool} tool
 * @param {{label: string, drawing: string, tip: string}} words
 */
function toolButton(tool, { label, drawing, tip }) {
  const onclick = () => {
    const active = get().drawing && get().drawFor === tool;
    set({ drawing: !active, drawFor: active ? 'inspect' : tool });
  };
  const button = h(
    'button',
    { type: 'button', class: `uhr-chip is-${tool}`, title: tip, 'data-hand': tool, onclick },
    label,
  );
  on(['drawing', 'drawFor'], (state) => {
    const pressed = state.drawing && state.drawFor === tool;
    flag(button, 'aria-pressed', pressed);
    button.textContent = pressed ? drawing : label;
  });
  return button;
}

/** Add a box to those of a tool; the oldest goes where there are too many. @param {Tool} tool @param {Box} box */
export function addByHand(tool, box) {
  const { hand } = get();
  if (hand[tool].some((each) => each.join() === box.join())) return;
  set({ hand: { ...hand, [tool]: [...hand[tool], box].slice(-MOST) } });
}

/**
 * @param {Readonly<import('./store.js').State>} state
 * @param {import('./types.d.ts').Trigger} trigger
 */
function content({ hand, handAnswer, maps, busy }, trigger) {
  const chosen = hand.force.length + hand.without.length;
  if (!chosen) return [];
  const clear = () => set({ hand: { force: [], without: [] }, handAnswer: null });
  const undo = () => {
    const tool = hand.without.length ? 'without' : 'force';
    set({ hand: { ...hand, [tool]: hand[tool].slice(0, -1) } });
  };
  return [
    h(
      'p',
      { class: 'uhr-note', 'data-chosen': chosen },
      `${plural(hand.force.length, 'region')} added, ${count(hand.without.length)} removed.`,
    ),
    h(
      'div',
      { class: 'uhr-chips' },
      h(
        'button',
        {
          type: 'button',
          class: 'uhr-small',
          disabled: busy || !maps,
          title: maps ? '' : 'Ask the question once first',
          'data-hand-ask': '1',
          onclick: () => begin(trigger, 'choose', hand),
        },
        'Ask with these',
      ),
      h(
        'button',
        {
          type: 'button',
          class: 'uhr-small',
          disabled: busy || !maps || !hand.force.length,
          title: 'Only the added tokens are given to the model, those of every scale, and nothing else',
          'data-hand-only': '1',
          onclick: () => begin(trigger, 'choose', { ...hand, only: true }),
        },
        'Send only these',
      ),
      h('button', { type: 'button', class: 'uhr-chip', onclick: undo }, 'Undo'),
      h('button', { type: 'button', class: 'uhr-chip', onclick: clear }, 'Clear'),
    ),
    handAnswer && handAnswer.maps === maps?.id && answerCard(handAnswer),
  ];
}

/** @param {import('./types.d.ts').HandAnswer} answer */
function answerCard(answer) {
  const other = !answer.only && !sameBudgets(answer.budgets, budgets());
  return h(
    'div',
    { class: `uhr-card${other ? ' is-stale' : ''}`, 'data-hand-answer': '1' },
    note(
      answer.only
        ? `With ${plural(answer.force, 'region')} alone`
        : `With ${plural(answer.force, 'region')} added and ${count(answer.without)} removed`,
    ),
    h('p', { class: 'uhr-counteranswer' }, tick(answer.correct), answer.text || '(empty)'),
    note(`${plural(answer.tokens, 'token')} · ${seconds(answer.seconds)}`),
    other && h('p', { class: 'uhr-stale' }, `for ${plural(sum(answer.budgets), 'token')}`),
  );
}
