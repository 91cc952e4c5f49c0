// The page's one state, held in the browser: every key with its type and start value.

import { CONSTANTS } from './constants.js';
import { finest, squareOf } from './geometry.js';
import { createStore } from './state.js';

/**
 * @typedef {import('./types.d.ts').Box} Box
 *
 * @typedef {object} Budget
 * @property {number} total Tokens over all scales.
 * @property {number[] | null} perScale One number a scale, where each was set; null: the total is shared.
 *
 * @typedef {object} State
 * @property {import('./types.d.ts').Geometry} model Geometry of the model.
 * @property {Uint32Array[]} shares For each scale, how many of the first n tokens of a total budget are its own.
 * @property {import('./types.d.ts').ImageValue | null} image The image shown.
 * @property {import('./types.d.ts').ExampleValue[]} examples Images to choose from.
 * @property {string} question The text in the question box.
 * @property {string} suggested The suggestion last clicked.
 * @property {import('./types.d.ts').Maps | null} maps The question whose tokens are shown.
 * @property {Map<number, import('./tokens.js').ScaleTokens> | null} tokens By scale, once the maps are loaded.
 * @property {string | null} ready Id of the maps whose importances and regions are loaded too.
 * @property {string} notice What is wrong with the viewer, in one sentence; '' where nothing is.
 * @property {Budget} budget What the slider shows.
 * @property {Budget | null} chosen A budget to be set and settled, from outside the budget panel.
 * @property {Budget | null} settled The budget last released, which Python knows.
 * @property {number} looks Tiles of the native scales that the next question looks at.
 * @property {import('./types.d.ts').Cost | null} cost What a token costs.
 * @property {import('./types.d.ts').Answer | null} answer
 * @property {import('./words.js').Looked | null} looked What each word of the answer looked at, once that is loaded.
 * @property {number | null} word The word of the answer that is pointed at.
 * @property {import('./types.d.ts').PointMark[] | null} points Where the model pointed.
 * @property {import('./types.d.ts').ObjectValue | import('./types.d.ts').Failed | null} object The inspected box.
 * @property {import('./types.d.ts').Sweep | null} sweep
 * @property {import('./types.d.ts').Comparison | null} compare
 * @property {import('./types.d.ts').RunValue | null} run How the answer came about.
 * @property {import('./types.d.ts').PastEntry[]} past What was answered on this page, the latest last.
 * @property {import('./types.d.ts').HandAnswer | null} handAnswer The answer with tokens chosen by hand.
 * @property {{force: Box[], without: Box[]}} hand Regions chosen by hand, in pixels of the image.
 * @property {import('./sides.js').Side | null} pinned What is shown right of the divider.
 * @property {number} divider Where the divider is, 0..1 of the viewer's width.
 * @property {boolean} difference Whether what only one of the two sides preserves is shown, over the whole viewer.
 * @property {import('./types.d.ts').Progress | null} progress Of the long work under way or last done.
 * @property {boolean} busy Whether long work is under way.
 * @property {import('./types.d.ts').Page} page
 * @property {number | null} tourStep The step of the tour that is shown, from 0.
 * @property {import('./types.d.ts').Layer} layer
 * @property {import('./heat.js').HeatBy} heatBy What the importance layer shows.
 * @property {number} scale The scale whose tokens are shown.
 * @property {number} opacity Of the layer.
 * @property {boolean} outlines Whether the borders of the regions are drawn.
 * @property {boolean} showObjects Whether the known objects are drawn.
 * @property {boolean} drawing Whether the next drag draws a box.
 * @property {'inspect' | 'force' | 'without'} drawFor What becomes of a drawn box.
 * @property {Box | null} rubber The box while it is drawn.
 * @property {Box | null} box The inspected box.
 * @property {Box | null} askBox A box to be inspected, from outside the viewer.
 * @property {{box: Box} | null} goto Where the map is to go.
 */

/** @type {State} */
const START = {
  model: CONSTANTS.model,
  shares: [],
  image: null,
  examples: [],
  question: '',
  suggested: '',
  maps: null,
  tokens: null,
  ready: null,
  notice: '',
  budget: { total: CONSTANTS.budget.start, perScale: null },
  chosen: null,
  settled: null,
  looks: 0,
  cost: null,
  answer: null,
  looked: null,
  word: null,
  points: null,
  object: null,
  sweep: null,
  compare: null,
  run: null,
  past: [],
  handAnswer: null,
  hand: { force: [], without: [] },
  pinned: null,
  divider: 0.5,
  difference: false,
  progress: null,
  busy: false,
  page: 'explore',
  tourStep: null,
  layer: 'seen',
  heatBy: 'value',
  scale: finest(CONSTANTS.model),
  opacity: 0.7,
  outlines: false,
  showObjects: false,
  drawing: false,
  drawFor: 'inspect',
  rubber: null,
  box: null,
  askBox: null,
  goto: null,
};

const store = createStore(START);

export const { get, on } = store;

/**
 * Change some of the state (state.js). Where image or model change, the image lies in the model's square.
 * @param {Partial<State>} patch
 */
export function set(patch) {
  const { image, model } = { ...store.get(), ...patch };
  if (image && ('image' in patch || 'model' in patch)) Object.assign(image, squareOf(model, image));
  store.set(patch);
}
/** Go to an object and say what became of its tokens. @param {Box} box */
export const goToObject = (box) => set({ goto: { box }, askBox: /** @type {Box} */ ([...box]) });

export const onFrame = store.onFrame.bind(store);
