// The Budgets tab: answer and evidence against the budget, as a chart and a table; a click sets the budget.

import { linear, logarithmic } from './axes.js';
import { budgets, chooseBudget } from './budgets.js';
import { h, shown } from './dom.js';
import { count, percent, seconds, sum } from './format.js';
import { begin, follow, panel } from './gradio.js';
import { note, tableHead, tick } from './parts.js';
import { on, onFrame, set } from './store.js';
import { element, line, text } from './svg.js';
import { changes, summary, withTotals } from './sweeps.js';

/**
 * @typedef {import('./types.d.ts').Sweep} Sweep
 * @typedef {import('./sweeps.js').Point} Point
 */

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [300, 150, 34, 10, 12, 26];

/** @param {import('./types.d.ts').PanelContext} context */
export async function mount(context) {
  const result = h('div', {});
  panel(context).replaceChildren(
    h(
      'p',
      { class: 'uhr-lead' },
      'The same question at ten budgets: where does the answer change, and how many of its objects are kept?',
    ),
    runButton('Try ten budgets', 'sweep', context),
    result,
  );
  follow(context, (/** @type {Sweep | null} */ value) => set({ sweep: value }));
  onFrame(['sweep', 'budget', 'question', 'busy'], ({ sweep, question, busy }) =>
    result.replaceChildren(...(sweep ? content(sweep, question, busy) : [])),
  );
}

/**
 * The button that begins a tab's long work; it needs an asked question.
 * @param {string} label
 * @param {string} event
 * @param {import('./types.d.ts').PanelContext} context
 */
export function runButton(label, event, { trigger }) {
  const onclick = () => begin(trigger, event);
  const button = h('button', { type: 'button', class: 'uhr-small uhr-wide', onclick }, label);
  on(['busy', 'maps'], ({ busy, maps }) => {
    button.disabled = busy || !maps;
    button.title = maps ? '' : 'Ask the question once first';
  });
  return button;
}

/**
 * @param {Sweep} sweep
 * @param {string} question
 * @param {boolean} busy
 */
function content(sweep, question, busy) {
  const points = withTotals(sweep.points);
  const stale = sweep.question.trim() !== question.trim();
  return shown([
    stale && h('p', { class: 'uhr-stale' }, `for: ${sweep.question}`),
    chart(points, sum(budgets()), sweep.wanted),
    note(summary(points, sweep.wanted, sweep.running && busy)),
    table(points),
  ]);
}

/**
 * Evidence preserved (or, where no evidence is known, only the answers) against the logarithm of the budget.
 * @param {Point[]} points
 * @param {number} budget
 * @param {number[]} totals The budgets wanted, ascending.
 */
function chart(points, budget, totals) {
  const [first, last] = [totals[0], totals[totals.length - 1]];
  const [top, bottom] = [TOP, HEIGHT - BOTTOM];
  const x = logarithmic([first, last], [LEFT, WIDTH - RIGHT]);
  const y = linear([0, 1], [bottom, top]);
  const evidence = points.some((point) => point.evidence != null);
  /** @param {Point} point */
  const height = (point) => y(point.evidence ?? 0.5);
  const svg = element('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: 'uhr-chart',
    role: 'group',
    'aria-label': `Objects kept against the budget, ${points.length} points`,
  });
  for (const share of evidence ? [0, 0.5, 1] : []) {
    svg.append(
      line('grid', [LEFT, y(share)], [WIDTH - RIGHT, y(share)]),
      text(`${share * 100} %`, LEFT - 5, y(share) + 3, 'end'),
    );
  }
  svg.append(
    text(count(first), x(first), HEIGHT - 8, 'start'),
    text(count(last), x(last), HEIGHT - 8, 'end'),
  );
  const now = x(Math.min(Math.max(budget, first), last));
  svg.append(line('now', [now, top], [now, bottom]));
  for (const i of changes(points)) {
    const between = (x(points[i].total) + x(points[i - 1].total)) / 2;
    svg.append(line('flip', [between, top], [between, bottom]));
  }
  if (evidence) {
    const curve = points.map((point) => `${x(point.total)},${height(point)}`).join(' ');
    svg.append(element('polyline', { class: 'curve', points: curve }));
  }
  svg.append(...points.map((point) => dot(point, x(point.total), height(point))));
  return svg;
}

/** @param {Point} point */
const choose = ({ total, budgets: each }) => chooseBudget(total, each);

/**
 * @param {Point} point
 * @param {number} cx
 * @param {number} cy
 */
function dot(point, cx, cy) {
  const { total, answer, correct } = point;
  const words = `${count(total)} tokens: ${answer}`;
  const look = correct == null ? 'open' : correct ? 'right' : 'wrong';
  const made = element(
    'circle',
    {
      cx,
      cy,
      r: 4.5,
      tabindex: 0,
      role: 'button',
      class: look,
      'data-total': total,
      'aria-label': `${words}. Set the budget`,
    },
    element('title', {}, words),
  );
  made.addEventListener('click', () => choose(point));
  made.addEventListener('keydown', (event) => event.key === 'Enter' && choose(point));
  return made;
}

/** @param {Point[]} points */
function table(points) {
  const evidence = points.some((point) => point.evidence != null);
  /** @type {import('./parts.js').Heading[]} */
  const headings = [
    ['budget'],
    ['answer'],
    ['objects kept', 'Share of the evidence objects with a preserved token at some scale'],
    ['tokens', 'Image tokens that the language model was given'],
    ['time'],
  ];
  const row = (/** @type {Point} */ point) =>
    h(
      'tr',
      { onclick: () => choose(point) },
      h('td', {}, count(point.total)),
      h('td', { class: 'uhr-wrap' }, tick(point.correct), point.answer),
      evidence && h('td', {}, point.evidence == null ? '–' : percent(point.evidence, 0)),
      h('td', {}, count(point.tokens)),
      h('td', {}, seconds(point.seconds)),
    );
  return h(
    'table',
    { class: 'uhr-sweep', 'aria-label': 'Answers against the budget' },
    tableHead(headings.filter(([name]) => evidence || name !== 'objects kept')),
    h('tbody', {}, points.map(row)),
  );
}
