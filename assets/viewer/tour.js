// A tour of five steps that really do what they say; it can be skipped, and linked to: ?tour=3.

import { chooseBudget } from './budgets.js';
import { h } from './dom.js';
import { count } from './format.js';
import { coarsest, finest, patchOf, tokensOfImage } from './geometry.js';
import { hooks } from './hooks.js';
import { get, goToObject, on, set } from './store.js';
import { truthOf } from './truth.js';

/**
 * @typedef {Readonly<import('./store.js').State>} State
 * @typedef {{title: string, text: (state: State) => string, act?: (state: State) => void}} Step
 */

/** The first object that the answer depends on. @param {State} state */
function evidenceBox({ image, question }) {
  const index = truthOf(image, question)?.evidence[0];
  return index == null ? null : (image?.objects[index]?.box ?? null);
}

/** @type {Step[]} */
export const STEPS = [
  {
    title: 'An image becomes tokens',
    text: ({ model, image }) =>
      `This picture is ${count(tokensOfImage(model, image))} tokens: squares of ${patchOf(model)} pixels, at ` +
      `${model.scales.length} sizes of the picture.`,
    act() {
      hooks.view?.fit();
      set({ layer: 'image', scale: finest(get().model) });
    },
  },
  {
    title: 'The model gets a few of them',
    text: ({ budget }) =>
      `A language model cannot read them all. Here it gets ${count(budget.total)}: what is black is not passed to it, ` +
      'what is blurred is averaged.',
    act: () => set({ layer: 'seen' }),
  },
  {
    title: 'What matters may be tiny',
    text: () =>
      'The question is about this object. Inspect it: are its tokens among those that the model gets?',
    act(state) {
      const box = evidenceBox(state);
      if (box) goToObject(box);
    },
  },
  {
    title: 'How tokens are scored decides',
    text: () =>
      'The released code scores tokens by attention over the coarsest picture, where such an object is less than a pixel. ' +
      'Ours compares every token with the question. Press the two buttons and watch the verdict.',
    act(state) {
      document.querySelector('#scoring')?.scrollIntoView({ block: 'nearest' });
      set({ layer: 'importance', scale: state.answer ? coarsest(state.model) : state.scale });
    },
  },
  {
    title: 'Your turn',
    text: () =>
      'Drag the budget down to four tokens and up again: where does the answer change? Then ask your own question.',
    act(state) {
      set({ layer: 'seen', scale: finest(state.model) });
      chooseBudget(64);
    },
  },
];

/** The step that an address asks for, 0 to 4; null for none. @param {string} search */
export function stepOf(search) {
  const number = Number(new URLSearchParams(search).get('tour'));
  return Number.isInteger(number) && number >= 1 && number <= STEPS.length ? number - 1 : null;
}

/** The tour's card, over the viewer. @param {HTMLElement} host */
export function tour(host) {
  const title = h('b', {});
  const text = h('p', {});
  const back = button('Back', () => go((get().tourStep ?? 0) - 1));
  const next = button('Next', () => go((get().tourStep ?? 0) + 1));
  const card = h(
    'section',
    { class: 'uhr-tour', 'aria-label': 'Tour', 'aria-live': 'polite', hidden: true },
    title,
    text,
    h(
      'div',
      { class: 'uhr-chips' },
      back,
      next,
      button('Skip', () => set({ tourStep: null })),
    ),
  );
  host.append(card);
  for (const type of ['pointerdown', 'dblclick', 'wheel', 'click', 'mousedown', 'touchstart']) {
    card.addEventListener(type, (event) => event.stopPropagation());
  }

  /** @param {number} step */
  function go(step) {
    set({ tourStep: step >= STEPS.length ? null : Math.max(0, step) });
  }
  let acted = -1;
  on(['tourStep', 'image', 'budget'], (state) => {
    const { tourStep } = state;
    card.hidden = tourStep == null || !state.image;
    if (tourStep == null || !state.image) {
      acted = -1;
      return;
    }
    const step = STEPS[tourStep];
    title.textContent = `${tourStep + 1} of ${STEPS.length} · ${step.title}`;
    text.textContent = step.text(state);
    back.disabled = tourStep === 0;
    next.textContent = tourStep === STEPS.length - 1 ? 'Done' : 'Next';
    if (acted === tourStep) return;
    acted = tourStep;
    step.act?.(state);
  });
  set({ tourStep: stepOf(location.search) });
}

/**
 * @param {string} label
 * @param {() => void} onclick
 */
const button = (label, onclick) => h('button', { type: 'button', class: 'uhr-small', onclick }, label);
