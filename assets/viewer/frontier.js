// The frontier on the Findings page: the section with its choices, its legend and every number of the chart.

import { flag, h } from './dom.js';
import { count, distinct, percent } from './format.js';
import { MEASURES, asked, chart } from './frontier-chart.js';
import { groupName, inOrder } from './groups.js';
import { isReleased, looksOf } from './looks.js';
import { note } from './parts.js';
import { element } from './svg.js';

/**
 * @typedef {import('./types.d.ts').Frontier} Frontier
 * @typedef {import('./types.d.ts').MeasuredMethod} MeasuredMethod
 * @typedef {import('./types.d.ts').Curves} Curves
 * @typedef {import('./types.d.ts').Measure} Measure
 * @typedef {import('./looks.js').Look} Look
 *
 * @typedef {object} Chosen
 * @property {Measure} measure
 * @property {string} group
 * @property {Set<string>} methods Ids of those highlighted.
 */

const NARROW = '(max-width: 760px)';
const EXPLANATION =
  'Bars: 95 % bootstrap intervals, scenes resampled. Click a name to show or hide its line. Where a method was asked fewer questions, it says how many.';

/** @param {Frontier} frontier */
export function frontierSection(frontier) {
  const { methods, points } = frontier;
  const narrow = matchMedia(NARROW);
  const looks = looksOf(methods);
  /** @type {Chosen} */
  const chosen = { measure: 'accuracy', group: 'all', methods: new Set(firstShown(methods)) };
  const place = h('div', { class: 'uhr-frontier' });
  const numbers = h('div', { class: 'uhr-scroll' });
  const measures = measureButtons(chosen, draw);
  const groups = groupChoice(chosen, draw);
  const lines = legend(methods, looks, chosen, draw);

  function draw() {
    const named = Object.keys(points[chosen.measure] ?? {});
    if (!named.includes(chosen.group)) chosen.group = named[0];
    const curves = points[chosen.measure]?.[chosen.group] ?? {};
    measures.show();
    groups.show(named);
    lines.show(curves);
    place.replaceChildren(chart(frontier, curves, chosen, looks, narrow.matches));
    numbers.replaceChildren(table(methods, curves));
  }
  draw();
  narrow.addEventListener('change', draw);
  return h(
    'section',
    {},
    h('h3', {}, 'Accuracy against budget'),
    h('div', { class: 'uhr-choices' }, measures.element, h('label', {}, 'of ', groups.element)),
    h(
      'div',
      { class: 'uhr-frontierrow' },
      place,
      h('div', { class: 'uhr-legends' }, lines.elements, note(EXPLANATION)),
    ),
    h('details', { class: 'uhr-fold' }, h('summary', {}, 'Every number of this chart'), numbers),
  );
}

/** The default, the released and the baselines. @param {MeasuredMethod[]} methods */
const firstShown = (methods) =>
  methods.filter((m) => m.default || m.family === 'baseline' || isReleased(m)).map(({ id }) => id);

/**
 * @param {Chosen} chosen
 * @param {() => void} draw
 */
function measureButtons(chosen, draw) {
  const buttons = /** @type {Measure[]} */ (Object.keys(MEASURES)).map((measure) => {
    const [label, title] = MEASURES[measure];
    const onclick = () => {
      chosen.measure = measure;
      draw();
    };
    return h('button', { type: 'button', class: 'uhr-chip', title, 'data-measure': measure, onclick }, label);
  });
  return {
    element: h('div', { class: 'uhr-choice', role: 'group', 'aria-label': 'Measure' }, buttons),
    show() {
      for (const button of buttons) flag(button, 'aria-pressed', button.dataset.measure === chosen.measure);
    },
  };
}

/**
 * @param {Chosen} chosen
 * @param {() => void} draw
 */
function groupChoice(chosen, draw) {
  const select = h('select', {
    'aria-label': 'Questions',
    class: 'uhr-select',
    onchange: () => {
      chosen.group = select.value;
      draw();
    },
  });
  return {
    element: select,
    /** @param {string[]} groups */
    show(groups) {
      select.replaceChildren(
        ...inOrder(groups).map((group) =>
          h('option', { value: group, selected: group === chosen.group }, groupName(group)),
        ),
      );
    },
  };
}

/**
 * A button a method, by family; it shows or fades the method's line.
 * @param {MeasuredMethod[]} methods
 * @param {Record<string, Look>} looks
 * @param {Chosen} chosen
 * @param {() => void} draw
 */
function legend(methods, looks, chosen, draw) {
  const lines = methods.map((method) => {
    const fewer = h('small', { class: 'uhr-fewer' });
    const onclick = () => {
      if (!chosen.methods.delete(method.id)) chosen.methods.add(method.id);
      draw();
    };
    const button = h(
      'button',
      {
        type: 'button',
        class: 'uhr-legendline',
        'data-method': method.id,
        title: method.description,
        onclick,
      },
      swatch(looks[method.id]),
      h('span', {}, method.title, method.default && h('small', {}, 'default'), fewer),
    );
    return { method, button, fewer };
  });
  const family = (/** @type {string} */ name, /** @type {MeasuredMethod['family']} */ key) =>
    h(
      'div',
      { class: 'uhr-legendgroup' },
      h('h4', {}, name),
      lines.filter(({ method }) => method.family === key).map(({ button }) => button),
    );
  return {
    elements: [family('UHR-BAT', 'uhrbat'), family('Baselines', 'baseline')],
    /** @param {Curves} curves */
    show(curves) {
      const most = Math.max(...Object.values(curves).map(asked));
      for (const { method, button, fewer } of lines) {
        const curve = curves[method.id];
        flag(button, 'aria-pressed', chosen.methods.has(method.id));
        button.hidden = !curve;
        fewer.textContent = curve && asked(curve) < most ? `${count(asked(curve))} questions` : '';
      }
    },
  };
}

/** @param {Look} look */
const swatch = ({ color, dash }) =>
  element(
    'svg',
    { viewBox: '0 0 22 8', class: 'uhr-swatch', 'aria-hidden': 'true' },
    element('line', { x1: 0, x2: 22, y1: 4, y2: 4, style: `stroke:${color};stroke-dasharray:${dash}` }),
  );

/**
 * @param {MeasuredMethod[]} methods
 * @param {Curves} curves
 */
function table(methods, curves) {
  const budgets = distinct(
    Object.values(curves)
      .flat()
      .map(([budget]) => budget),
  );
  const cell = (/** @type {import('./types.d.ts').CurvePoint | undefined} */ point) =>
    h(
      'td',
      {},
      point ? [percent(point[1]), h('small', {}, `${percent(point[2])} – ${percent(point[3])}`)] : '–',
    );
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
            budgets.map((budget) => cell(curves[id].find(([at]) => at === budget))),
          ),
        ),
    ),
  );
}
