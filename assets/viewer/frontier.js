// The frontier on the Findings page: a share of the questions against the token budget, a line a compressor.

import { count, h, percent } from './store.js';
import { element, text } from './svg.js';

const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [340, 46, 18, 14, 34];
const NARROW = matchMedia('(max-width: 760px)');
// Fates keep blue and orange for themselves; a method has one colour and one dash everywhere.
const COLORS = ['#009E73', '#CC79A7', '#D55E00', '#8F7CE0', '#A08A00', '#7A8794'];
const DASHES = { uhrbat: ['7 3', '2 3', '7 3 2 3 2 3'], baseline: ['', '8 3 2 3'] };
const MEASURES = {
  accuracy: ['Accuracy', 'Share of questions answered exactly right'],
  evidence: [
    'Evidence preserved',
    'Share of questions whose every needed object has a preserved token at some scale',
  ],
};

const dot = ([, value, low, high, questions]) =>
  `${percent(value)} (${percent(low)} to ${percent(high)}) of ${count(questions)} questions`;
const asked = (curve) => Math.max(...curve.map(([, , , , questions]) => questions));

const released = ({ importance, regions, order }) =>
  importance === 'attention' && regions === 'kmeans' && order === 'mean';

/** The section, with its choice of measure, group of questions and highlighted methods. */
export function frontierSection(frontier) {
  const { methods, points } = frontier;
  const looks = lookOf(methods);
  const chosen = {
    measure: 'accuracy',
    group: 'all',
    methods: new Set(
      methods.filter((m) => m.default || m.family === 'baseline' || released(m)).map((m) => m.id),
    ),
  };
  const place = h('div', { class: 'uhr-frontier' });
  const numbers = h('div', { class: 'uhr-scroll' });

  const measures = h(
    'div',
    { class: 'uhr-choice', role: 'group', 'aria-label': 'Measure' },
    Object.entries(MEASURES).map(([key, [label, tip]]) =>
      h(
        'button',
        {
          type: 'button',
          class: 'uhr-chip',
          title: tip,
          'data-measure': key,
          onclick: () => {
            chosen.measure = key;
            draw();
          },
        },
        label,
      ),
    ),
  );
  const groups = h('select', {
    'aria-label': 'Questions',
    class: 'uhr-select',
    onchange: (event) => {
      chosen.group = event.target.value;
      draw();
    },
  });
  const legend = ['uhrbat', 'baseline'].map((family) =>
    h(
      'div',
      { class: 'uhr-legendgroup' },
      h('h4', {}, family === 'uhrbat' ? 'UHR-BAT' : 'Baselines'),
      methods
        .filter((method) => method.family === family)
        .map((method) =>
          h(
            'button',
            {
              type: 'button',
              class: 'uhr-legendline',
              'data-method': method.id,
              title: method.description,
              onclick: () => {
                if (!chosen.methods.delete(method.id)) chosen.methods.add(method.id);
                draw();
              },
            },
            swatch(looks[method.id]),
            h(
              'span',
              {},
              method.title,
              method.default && h('small', {}, 'default'),
              h('small', { class: 'uhr-fewer' }),
            ),
          ),
        ),
    ),
  );

  function draw() {
    const named = Object.keys(points[chosen.measure] ?? {});
    if (!named.includes(chosen.group)) chosen.group = named[0];
    groups.replaceChildren(
      ...named.map((group) =>
        h('option', { value: group, selected: group === chosen.group }, groupName(group)),
      ),
    );
    const curves = points[chosen.measure]?.[chosen.group] ?? {};
    for (const button of measures.children)
      button.setAttribute('aria-pressed', button.dataset.measure === chosen.measure);
    const most = Math.max(...Object.values(curves).map(asked));
    for (const line of legend.flatMap((part) => [...part.querySelectorAll('button')])) {
      line.setAttribute('aria-pressed', chosen.methods.has(line.dataset.method));
      const curve = curves[line.dataset.method];
      line.hidden = !curve;
      line.querySelector('.uhr-fewer').textContent =
        curve && asked(curve) < most ? `${count(asked(curve))} questions` : '';
    }
    place.replaceChildren(chart(frontier, curves, chosen, looks));
    numbers.replaceChildren(table(methods, curves));
  }
  draw();
  NARROW.addEventListener('change', draw);
  return h(
    'section',
    {},
    h('h3', {}, 'The frontier: what a budget buys'),
    h('div', { class: 'uhr-choices' }, measures, h('label', {}, 'of ', groups)),
    h(
      'div',
      { class: 'uhr-frontierrow' },
      place,
      h(
        'div',
        { class: 'uhr-legends' },
        legend,
        h(
          'p',
          { class: 'uhr-note' },
          'Bars: 95 % bootstrap intervals, scenes resampled. A click on a name shows or fades its line; where fewer questions were asked, it says how many.',
        ),
      ),
    ),
    h('details', { class: 'uhr-fold' }, h('summary', {}, 'Every number of this chart'), numbers),
  );
}

/** Colour and dash of every method: the default alone has the page's accent, and only baselines are solid. */
function lookOf(methods) {
  const seen = { uhrbat: 0, baseline: 0 };
  return Object.fromEntries(
    methods.map(({ id, family, default: isDefault }) => {
      if (isDefault) return [id, { color: 'var(--uhr-accent)', dash: '' }];
      const i = seen[family]++;
      return [
        id,
        {
          color: COLORS[i % COLORS.length],
          dash: DASHES[family][Math.floor(i / COLORS.length) % DASHES[family].length],
        },
      ];
    }),
  );
}

export const groupName = (group) =>
  group === 'all'
    ? 'all questions'
    : group.startsWith('size: ')
      ? `questions that need an object of ${sizeName(group)}`
      : group.replace('type: ', '') + ' questions';

/** The longer side of an object at 4,032 px, as "size: <= 4" tells it. */
export const sizeName = (group) =>
  group === 'all' ? 'all' : `${group.replace('size: ', '').replace('<=', '≤').replace('-', ' to ')} px`;

function swatch({ color, dash }) {
  const svg = element('svg', { viewBox: '0 0 22 8', class: 'uhr-swatch', 'aria-hidden': 'true' });
  svg.append(
    element('line', { x1: 0, x2: 22, y1: 4, y2: 4, style: `stroke:${color};stroke-dasharray:${dash}` }),
  );
  return svg;
}

function chart({ methods, majority, no_image: noImage }, curves, { measure, group, methods: shown }, looks) {
  const all = Object.values(curves).flat();
  if (!all.length) return h('p', { class: 'uhr-placeholder' }, 'Nothing was measured here.');
  const budgets = [...new Set(all.map(([budget]) => budget))].sort((a, b) => a - b);
  const floors =
    measure === 'accuracy'
      ? [
          ['majority answer', majority[group]],
          ['no image', noImage[group]],
        ].filter(([, v]) => v != null)
      : [];
  const values = [...all.flatMap(([, , low, high]) => [low, high]), ...floors.map(([, value]) => value)];
  const [low, high] = [
    Math.max(0, Math.floor(Math.min(...values) * 10) / 10),
    Math.min(1, Math.ceil(Math.max(...values) * 10) / 10),
  ];
  const [first, last] = [Math.log(budgets[0]), Math.log(budgets.at(-1))];
  const width = NARROW.matches ? 400 : 760;
  const x = (budget) => LEFT + ((width - LEFT - RIGHT) * (Math.log(budget) - first)) / (last - first || 1);
  const y = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - value)) / (high - low || 1);
  const svg = element('svg', {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    class: 'uhr-chart',
    role: 'img',
    'aria-label': `${MEASURES[measure][0]} of ${groupName(group)} against the token budget; the numbers are in the table below`,
  });
  for (let share = low; share <= high + 1e-9; share += high - low > 0.5 ? 0.2 : 0.1) {
    svg.append(
      element('line', { x1: LEFT, x2: width - RIGHT, y1: y(share), y2: y(share), class: 'grid' }),
      text(`${Math.round(100 * share)} %`, LEFT - 6, y(share) + 4, 'end'),
    );
  }
  let left = Infinity;
  for (const budget of budgets.toReversed()) {
    if (left - x(budget) < 36) continue;
    svg.append(text(count(budget), (left = x(budget)), HEIGHT - 14, 'middle'));
  }
  svg.append(text('total token budget', (LEFT + width - RIGHT) / 2, HEIGHT - 1, 'middle'));
  for (const [i, [name, value]] of floors.entries()) {
    svg.append(
      element('line', { x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), class: 'floor' }),
      text(name, i ? width - RIGHT : LEFT + 4, y(value) - 4, i ? 'end' : 'start'),
    );
  }
  const order = [...methods].sort((a, b) => shown.has(a.id) - shown.has(b.id) || a.default - b.default);
  for (const { id, title, default: isDefault } of order) {
    const curve = curves[id];
    if (!curve) continue;
    const line = curve.map(([budget, value]) => `${x(budget)},${y(value)}`).join(' ');
    if (!shown.has(id)) {
      svg.append(element('polyline', { points: line, class: 'faded' }));
      continue;
    }
    const { color, dash } = looks[id];
    const part = element('g', {
      style: `--line:${color}`,
      class: isDefault ? 'method default' : 'method',
      'data-method': id,
    });
    part.append(element('polyline', { points: line, 'stroke-dasharray': dash }));
    for (const point of curve) {
      const [budget, value, from, to] = point;
      part.append(
        element('line', { x1: x(budget), x2: x(budget), y1: y(from), y2: y(to), class: 'interval' }),
        element(
          'circle',
          { cx: x(budget), cy: y(value), r: 3.5 },
          element('title', {}, `${title}, ${count(budget)} tokens: ${dot(point)}`),
        ),
      );
    }
    svg.append(part);
  }
  return svg;
}

function table(methods, curves) {
  const budgets = [
    ...new Set(
      Object.values(curves)
        .flat()
        .map(([budget]) => budget),
    ),
  ].sort((a, b) => a - b);
  return h(
    'table',
    { class: 'uhr-numbers' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'method'),
        budgets.map((budget) => h('th', { scope: 'col' }, count(budget))),
      ),
    ),
    h(
      'tbody',
      {},
      methods
        .filter(({ id }) => curves[id])
        .map(({ id, title }) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, title),
            budgets.map((budget) => {
              const point = curves[id].find(([at]) => at === budget);
              return h(
                'td',
                {},
                point
                  ? [percent(point[1]), h('small', {}, `${percent(point[2])} – ${percent(point[3])}`)]
                  : '–',
              );
            }),
          ),
        ),
    ),
  );
}
