// The Findings page: what the evaluations measured, and every miss as a card that opens in the viewer.

import { arrive } from './arrive.js';
import { h, shown, url } from './dom.js';
import { count, percent, points } from './format.js';
import { frontierSection } from './frontier.js';
import { finest, coarsest } from './geometry.js';
import { panel } from './gradio.js';
import { inOrder, sizeName } from './groups.js';
import { looksSection } from './looksfound.js';
import { lossSection } from './losses.js';
import { misses } from './misses.js';
import { goToPage } from './pages.js';
import { failure, note } from './parts.js';
import { realSection } from './real.js';
import { get, on, set } from './store.js';
import { interval, share, table } from './tables.js';

/**
 * @typedef {import('./types.d.ts').FindingsValue} FindingsValue
 * @typedef {import('./types.d.ts').Frontier} Frontier
 * @typedef {import('./types.d.ts').Miss} Miss
 */

const CLOSE = -1; // zoom levels from one image pixel a screen pixel: the object and what is around it
const UNREADABLE = 'The findings could not be read: load the page again.';

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const root = panel(context);
  root.replaceChildren(h('p', { class: 'uhr-placeholder', role: 'status' }, 'Reading the findings …'));
  const open = (/** @type {Miss} */ miss) => openMiss(miss, context.trigger);
  let drawn = '';

  async function show() {
    try {
      const response = await fetch(url('findings.json'));
      if (!response.ok) throw new Error(String(response.status));
      const text = await response.text();
      if (text !== drawn) root.replaceChildren(...content(JSON.parse(text), open));
      drawn = text;
    } catch (error) {
      console.warn(error);
      root.replaceChildren(failure(UNREADABLE));
    }
    root.dataset.ready = '1';
  }
  on(['page'], ({ page }) => {
    if (page === 'findings') show();
  });
}

/**
 * Open a miss in the viewer: its scene, question, budget and box, and ask the question.
 * @param {Miss} miss
 * @param {import('./types.d.ts').Trigger} trigger
 */
function openMiss({ scene, question, budget, box, method }, trigger) {
  arrive({
    example: scene,
    q: question,
    layer: 'fate',
    scale: String(finest(get().model)),
    view: box && [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, CLOSE].join(','),
    box: box?.join(','),
    ask: '1',
  });
  set({
    image: null,
    maps: null,
    points: null,
    box: null,
    answer: null,
    object: null,
    progress: { state: 'running', text: 'making the scene', fraction: 0 },
  });
  goToPage('explore');
  trigger('open', { scene, question, budget, method });
}

/**
 * @param {FindingsValue} findings
 * @param {(miss: Miss) => void} open
 */
function content({ missing, problems, frontier, losses, real, looks, looks_loss: looksLoss }, open) {
  const [first] = losses;
  const measured = (frontier ?? first)?.measured;
  return shown([
    h(
      'div',
      { class: 'uhr-intro' },
      h('h2', {}, 'What is lost when tokens are cut?'),
      losses.length > 1 && h('p', { class: 'uhr-result' }, result(losses)),
      measured && h('p', {}, basis(measured)),
    ),
    ...problems.map(failure),
    missing.length > 0 && notMeasured(missing),
    frontier && frontierSection(frontier),
    frontier && h('div', { class: 'uhr-pair' }, comparisons(frontier), attention(frontier)),
    real && realSection(real),
    looksSection(looks, looksLoss),
    ...losses.map(lossSection),
    first &&
      misses(
        losses.flatMap((loss) => loss.misses),
        first.wide,
        open,
      ),
  ]);
}

/** @param {string[]} commands Those that write what is missing. */
const notMeasured = (commands) =>
  h(
    'p',
    { class: 'uhr-caveat', role: 'note' },
    'Not measured yet: ',
    ...commands.flatMap((command, i) => [i ? ' and ' : '', h('code', {}, command)]),
    commands.length > 1 ? ' write it.' : ' writes it.',
  );

/**
 * What the loss tests found, in one sentence: the answers that the widest budget in all of them loses.
 * @param {import('./types.d.ts').Loss[]} losses
 */
export function result(losses) {
  const whole = losses.map(({ counts }) => counts.filter((row) => row.side === 'with'));
  const shared = whole[0]
    .map((row) => row.budget)
    .filter((k) => whole.every((rows) => rows.some((r) => r.budget === k)));
  const budget = Math.max(...shared);
  const found = losses.map(({ measured: { settings } }, i) => {
    const row = whole[i].find((each) => each.budget === budget);
    const as =
      settings.importance === 'attention' ? 'attention, as in the released code' : settings.importance;
    return `${percent(row?.value ?? 0)} where tokens are scored by ${as}`;
  });
  return `Of the right answers, ${count(budget)} tokens lose ${found.join(', and ')}.`;
}

/** What was measured, on what. @param {import('./types.d.ts').Measured} measured */
export function basis({ model, parameters, seeds, scenes, questions, settings }) {
  const { importance, regions, order } = settings;
  const size = `${(parameters / 1e6).toFixed(1)} million parameters`;
  return (
    `${model} (${size}; importance ${importance}, regions ${regions}, order ${order}) ` +
    `on ${count(questions)} questions about ${count(scenes)} generated scenes of the ${seeds} seeds, ` +
    'none of which it was trained on. ' +
    'These results hold for nano’s generated world, not for larger models or photographs.'
  );
}

/** @param {Frontier} frontier */
function comparisons({ comparisons: rows, agreement, methods }) {
  /** @param {string} id */
  const title = (id) => methods.find((method) => method.id === id)?.title ?? id;
  return h(
    'section',
    {},
    h('h3', {}, 'Against the best baseline'),
    table(
      'Default method less the best baseline',
      [
        ['budget', 'Total tokens'],
        ['best baseline', 'The most accurate one at this budget'],
        interval(
          'difference',
          "Accuracy of UHR-BAT's default less the baseline's, in percentage points; bootstrap, scenes resampled",
        ),
        ['result', 'Whether the interval leaves 0 out'],
      ],
      rows.map(({ budget, baseline, difference, low, high }) => [
        count(budget),
        title(baseline),
        [points(difference), h('small', {}, `${points(low)} to ${points(high)}`)],
        comparison(low, high),
      ]),
      1,
    ),
    agreement.length > 0 && agreements(agreement),
  );
}

/**
 * Whether an interval of differences leaves 0 out.
 * @param {number} low
 * @param {number} high
 */
function comparison(low, high) {
  const [look, words] =
    low > 0 ? ['right', 'better'] : high < 0 ? ['wrong', 'worse'] : ['', 'no clear difference'];
  return h('span', { class: `uhr-tick ${look}` }, words);
}

/** @param {Frontier['agreement']} rows */
const agreements = (rows) =>
  table(
    'Answers that are those at the widest budget',
    [
      ['budget', 'Total tokens'],
      interval(
        `same answer as with ${count(rows[0].wide)} tokens`,
        'Share of the questions, by default; bootstrap, scenes resampled',
      ),
      ['questions', 'How many'],
    ],
    rows.map((row) => [count(row.budget), share(row), count(row.questions)]),
  );

/** @param {Frontier} frontier */
function attention({ attention_recall: rows }) {
  if (!rows.length) return null;
  const { model } = get();
  return h(
    'section',
    {},
    h('h3', {}, 'How well attention finds objects'),
    note(
      `Share of the objects asked for with a token among attention’s top ${rows[0].tokens} at scale ${coarsest(model)}.`,
    ),
    table(
      'Recall of attention importance',
      [
        ['longer side', `At ${count(finest(model))} px`],
        interval('found', 'Share of the objects; bootstrap, scenes resampled'),
        ['by chance', 'As many tokens at random'],
        ['objects', 'How many'],
      ],
      inOrder(rows.map((row) => row.group)).map((group) => {
        const row = rows.find((each) => each.group === group) ?? rows[0];
        return [sizeName(row.group), share(row), percent(row.chance), count(row.objects)];
      }),
    ),
  );
}
