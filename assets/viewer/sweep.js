// The Budgets tab: answer and evidence against the budget, as a chart and a table; a click sets the budget.

import { begin, count, follow, h, on, onFrame, percent, seconds, set, sum } from './store.js';
import { element, text } from './svg.js';

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [300, 150, 34, 10, 12, 26];

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  follow(context, (value) => set({ sweep: value }));
  const result = h('div', {});
  root.replaceChildren(
    h(
      'p',
      { class: 'uhr-lead' },
      'The same question at ten budgets: where does the answer change, and how much of the evidence is kept?',
    ),
    runButton('Run the budgets', 'sweep', context),
    result,
  );
  onFrame('sweep budget question busy', (state) => result.replaceChildren(...content(state)));
}

/** The button that begins a tab's long work; it needs an asked question. */
export function runButton(text, event, { trigger }) {
  const button = h(
    'button',
    { type: 'button', class: 'uhr-small uhr-wide', onclick: () => begin(trigger, event) },
    text,
  );
  on('busy maps', ({ busy, maps }) => {
    button.disabled = busy || !maps;
    button.title = maps ? '' : 'Ask the question once first';
  });
  return button;
}

function content(state) {
  const { sweep } = state;
  if (!sweep) return [];
  if (sweep.error) return [h('p', { class: 'uhr-error', role: 'alert' }, sweep.error)];
  const points = sweep.points.map((point) => ({ ...point, total: sum(point.budgets) }));
  const stale = sweep.question.trim() !== state.question.trim();
  return [
    stale && h('p', { class: 'uhr-stale' }, `for: ${sweep.question}`),
    chart(points, sum(state.budget.perScale ?? [state.budget.total]), sweep),
    h('p', { class: 'uhr-note' }, flips(points, { ...sweep, running: sweep.running && state.busy })),
    table(points),
  ].filter(Boolean);
}

const height = (point) => point.evidence ?? null;

/** Evidence preserved (or, where no evidence is known, only the answers) against the logarithm of the budget. */
function chart(points, budget, { wanted }) {
  const totals = wanted ?? points.map((point) => point.total);
  const [low, high] = [Math.log(Math.min(...totals)), Math.log(Math.max(...totals))];
  const x = (total) => LEFT + ((WIDTH - LEFT - RIGHT) * (Math.log(total) - low)) / (high - low || 1);
  const y = (share) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (share ?? 0.5));
  const svg = element('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: 'uhr-chart',
    role: 'img',
    'aria-label': `Evidence preserved against the budget, ${points.length} points`,
  });
  const evidence = points.some((point) => height(point) != null);
  for (const share of evidence ? [0, 0.5, 1] : []) {
    svg.append(
      element('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(share), y2: y(share), class: 'grid' }),
      text(`${share * 100} %`, LEFT - 5, y(share) + 3, 'end'),
    );
  }
  svg.append(
    text(count(totals[0]), x(totals[0]), HEIGHT - 8, 'start'),
    text(count(totals.at(-1)), x(totals.at(-1)), HEIGHT - 8, 'end'),
  );
  const now = Math.min(Math.max(budget, totals[0]), totals.at(-1));
  svg.append(element('line', { x1: x(now), x2: x(now), y1: TOP, y2: HEIGHT - BOTTOM, class: 'now' }));
  for (let i = 1; i < points.length; i++) {
    if (points[i].answer === points[i - 1].answer) continue;
    const at = (x(points[i].total) + x(points[i - 1].total)) / 2;
    svg.append(element('line', { x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM, class: 'flip' }));
  }
  if (evidence)
    svg.append(
      element('polyline', {
        class: 'curve',
        points: points.map((p) => `${x(p.total)},${y(height(p))}`).join(' '),
      }),
    );
  for (const point of points) {
    const dot = element('circle', {
      cx: x(point.total),
      cy: y(height(point)),
      r: 4.5,
      tabindex: 0,
      role: 'button',
      class: point.correct === false ? 'wrong' : point.correct ? 'right' : 'open',
      'data-total': point.total,
      'aria-label': `${count(point.total)} tokens: ${point.answer}. Set the budget`,
    });
    const go = () => window.UHRBAT.chooseBudget(point.total, point.budgets);
    dot.addEventListener('click', go);
    dot.addEventListener('keydown', (event) => event.key === 'Enter' && go());
    dot.append(element('title', {}, `${count(point.total)} tokens: ${point.answer}`));
    svg.append(dot);
  }
  return svg;
}

function flips(points, { running, wanted }) {
  const at = points
    .filter((point, i) => i && point.answer !== points[i - 1].answer)
    .map((point) => count(point.total));
  const known = points.some((point) => point.correct != null);
  const legend = known ? 'Filled: correct; hollow: wrong. ' : '';
  if (points.length < wanted.length && !running)
    return `Stopped after ${points.length} of ${wanted.length} budgets.`;
  if (running) return `${points.length} of ${wanted.length} budgets done …`;
  if (!at.length) return `${legend}The answer is the same at every budget.`;
  return `${legend}The answer changes at ${at.join(', ')} tokens (dashed).`;
}

function table(points) {
  const known = points.some((point) => point.correct != null);
  const evidence = points.some((point) => height(point) != null);
  return h(
    'table',
    { class: 'uhr-sweep', 'aria-label': 'Answers against the budget' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'budget'),
        h('th', { scope: 'col' }, 'answer'),
        evidence &&
          h(
            'th',
            { scope: 'col', title: 'Share of the evidence objects with a preserved token at some scale' },
            'evid.',
          ),
        h('th', { scope: 'col', title: 'Image tokens that the language model was handed' }, 'tokens'),
        h('th', { scope: 'col' }, 'time'),
      ),
    ),
    h(
      'tbody',
      {},
      points.map((point) =>
        h(
          'tr',
          { onclick: () => window.UHRBAT.chooseBudget(point.total, point.budgets) },
          h('td', {}, count(point.total)),
          h(
            'td',
            { class: 'uhr-wrap' },
            known &&
              h(
                'span',
                {
                  class: `uhr-tick ${point.correct ? 'right' : 'wrong'}`,
                  'aria-label': point.correct ? 'correct' : 'wrong',
                },
                point.correct ? '✓' : '✗',
              ),
            point.answer,
          ),
          evidence && h('td', {}, height(point) == null ? '–' : percent(height(point), 0)),
          h('td', {}, count(point.tokens)),
          h('td', {}, seconds(point.seconds)),
        ),
      ),
    ),
  );
}
