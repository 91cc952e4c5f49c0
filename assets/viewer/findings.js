// The Findings page: what the evaluations measured, and every miss as a card that opens in the viewer.

import { frontierSection, sizeName } from './frontier.js';
import { arrive, goToPage } from './link.js';
import { misses } from './misses.js';
import { count, h, on, percent, set, url } from './store.js';

const CLOSE = -1; // zoom levels from one image pixel a screen pixel: the object and what is around it

export async function mount({ element, trigger }) {
  const root = element.querySelector('.uhr-panel');
  root.replaceChildren(h('p', { class: 'uhr-placeholder', role: 'status' }, 'Reading the findings …'));
  let shown = '';

  on('page', async ({ page }) => {
    if (page !== 'findings') return;
    try {
      const response = await fetch(url('findings.json'));
      if (!response.ok) throw new Error(response.status);
      const text = await response.text();
      if (text !== shown) root.replaceChildren(...content(JSON.parse(text), open));
      shown = text;
    } catch {
      root.replaceChildren(
        h('p', { class: 'uhr-error', role: 'alert' }, 'The findings could not be read: load the page again.'),
      );
    }
    root.dataset.ready = '1';
  });

  /** A miss in the viewer: its scene, question, budget and box, and the question asked. */
  function open({ scene, question, budget, box, method }) {
    const view = box && [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, CLOSE].join(',');
    arrive({
      example: scene,
      q: question,
      layer: 'fate',
      scale: '4032',
      view,
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
}

function content({ missing, problems, frontier, losses }, open) {
  const [first] = losses;
  return [
    h(
      'div',
      { class: 'uhr-intro' },
      h('h2', {}, 'What is lost when tokens are cut?'),
      (frontier ?? first) && h('p', {}, basis((frontier ?? first).measured)),
    ),
    ...problems.map((problem) => h('p', { class: 'uhr-error', role: 'alert' }, problem)),
    missing.length > 0 &&
      h(
        'p',
        { class: 'uhr-caveat', role: 'note' },
        'Not measured yet: ',
        missing.flatMap((command, i) => [i ? ' and ' : '', h('code', {}, command)]),
        missing.length > 1 ? ' write it.' : ' writes it.',
      ),
    frontier && frontierSection(frontier),
    frontier && h('div', { class: 'uhr-pair' }, comparisons(frontier), attention(frontier)),
    ...losses.map((loss) => lossSection(loss, !losses.some(({ photographs: given }) => given))),
    ...losses.map((loss) => loss.photographs && photographs(loss.photographs)),
    losses.length > 0 &&
      misses(
        losses.flatMap((loss) => loss.misses),
        first.wide,
        open,
      ),
  ].filter(Boolean);
}

function basis({ model, parameters, seeds, scenes, questions, settings }) {
  return (
    `${model} (${(parameters / 1e6).toFixed(1)} million parameters; importance ${settings.importance}, regions ${settings.regions}, ` +
    `order ${settings.order}) on ${count(questions)} questions about ${count(scenes)} generated scenes of the ${seeds} seeds, ` +
    'none of which it was trained on. It says what the method keeps in this world, not what a larger model would answer on photographs.'
  );
}

/** A share over its interval; resampling tells none where all cases are alike. */
const share = ({ value, low, high }) => [
  percent(value),
  low < high && h('small', {}, `${(100 * low).toFixed(1)} to ${percent(high)}`),
];
const interval = (name) => [name, h('small', {}, '95 % interval')];
const points = (value) => `${value > 0 ? '+' : value < 0 ? '−' : ''}${(100 * Math.abs(value)).toFixed(1)}`;

/** A table of rows of cells; heads are [text, explanation]; so many columns after the first hold words, not numbers. */
function table(label, heads, rows, words = 0) {
  const look = (column) => (column <= words ? 'uhr-word' : null);
  return h(
    'div',
    { class: 'uhr-scroll' },
    h(
      'table',
      { 'aria-label': label },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          heads.map(([text, tip], i) => h('th', { scope: 'col', title: tip, class: look(i) }, text)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map(([first, ...cells]) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, first),
            cells.map((cell, i) => h('td', { class: look(i + 1) }, cell)),
          ),
        ),
      ),
    ),
  );
}

function comparisons({ comparisons: rows, agreement, methods }) {
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
        [
          interval('difference'),
          "Accuracy of UHR-BAT's default less the baseline's, in percentage points; bootstrap, scenes resampled",
        ],
        ['', 'Whether the interval leaves 0 out'],
      ],
      rows.map((row) => [
        count(row.budget),
        title(row.baseline),
        [points(row.difference), h('small', {}, `${points(row.low)} to ${points(row.high)}`)],
        h(
          'span',
          { class: `uhr-tick ${row.low > 0 ? 'right' : row.high < 0 ? 'wrong' : ''}` },
          row.low > 0 ? 'better' : row.high < 0 ? 'worse' : 'no difference shown',
        ),
      ]),
      1,
    ),
    agreement.length > 0 &&
      table(
        'Answers that are those at the widest budget',
        [
          ['budget', 'Total tokens'],
          [
            interval(`same answer as at ${count(agreement[0].wide)}`),
            'Share of the questions, by default; bootstrap, scenes resampled',
          ],
          ['questions', 'How many'],
        ],
        agreement.map((row) => [count(row.budget), share(row), count(row.questions)]),
      ),
  );
}

function attention({ attention_recall: rows }) {
  if (!rows.length) return null;
  return h(
    'section',
    {},
    h('h3', {}, 'What attention finds by itself'),
    h(
      'p',
      { class: 'uhr-note' },
      `Share of the objects asked for that have a token among the ${rows[0].tokens} most important of scale 672, by the language model's attention.`,
    ),
    table(
      'Recall of attention importance',
      [
        ['longer side', 'At 4,032 px'],
        [interval('found'), 'Share of the objects; bootstrap, scenes resampled'],
        ['by chance', 'As many tokens at random'],
        ['objects', 'How many'],
      ],
      rows.map((row) => [sizeName(row.group), share(row), percent(row.chance), count(row.objects)]),
    ),
  );
}

const SIDES = { with: 'with the object', without: 'without it', pair: 'both of a pair' };

function lossSection({ counts, causes, pairs, wide, note, measured: { settings } }, unphotographed) {
  const budgets = [...new Set(causes.map((row) => row.budget))];
  const title =
    settings.importance === 'attention'
      ? 'The same, scored by attention as the released code does'
      : 'The controlled loss test';
  return h(
    'section',
    {},
    h('h3', {}, title),
    h(
      'p',
      { class: 'uhr-note' },
      `${count(pairs)} pairs of one scene with and without the object that decides the answer. A loss is a question answered right ` +
        `at ${count(wide)} tokens and wrong at a smaller budget. `,
      unphotographed && note,
    ),
    h(
      'div',
      { class: 'uhr-pair' },
      table(
        'Losses and gains',
        [
          ['budget', 'Total tokens'],
          ['scene', 'The scene with the object, the same one without it, or both'],
          [interval('lost'), 'Losses among the questions answered right at the widest budget'],
          ['losses', `Right at ${count(wide)}, wrong here`],
          ['gains', `Wrong at ${count(wide)}, right here`],
          ['right at both', `Right at ${count(wide)} tokens and here`],
          ['wrong at both', 'Not a matter of the budget'],
        ],
        counts.map((row) => [
          count(row.budget),
          SIDES[row.side] ?? row.side,
          share(row),
          count(row.losses),
          count(row.gains),
          count(row.both_right),
          count(row.both_wrong),
        ]),
        1,
      ),
      h(
        'div',
        {},
        h('h4', { title: 'Of the losses in scenes with the object' }, 'Why they were lost'),
        budgets.map((budget) =>
          causeBars(
            budget,
            causes.filter((row) => row.budget === budget && row.losses),
          ),
        ),
        h(
          'p',
          { class: 'uhr-note' },
          causes.some((row) => row.losses)
            ? 'Blue: right again at the same budget once the evidence is forced in, which proves the cause. Grey: not.'
            : 'No answer about a scene with the object was lost.',
        ),
      ),
    ),
  );
}

function causeBars(budget, rows) {
  const most = Math.max(1, ...rows.map((row) => row.losses));
  return h(
    'div',
    { class: 'uhr-causes' },
    h('h4', {}, `${count(budget)} tokens`),
    rows.length
      ? h(
          'table',
          { 'aria-label': `Causes at ${budget} tokens` },
          h(
            'tbody',
            {},
            rows.map((row) =>
              h(
                'tr',
                {},
                h('th', { scope: 'row' }, row.cause),
                h(
                  'td',
                  { class: 'uhr-barcell' },
                  h(
                    'div',
                    { class: 'uhr-bar' },
                    h('i', { class: 'uhr-proved', style: `width:${(100 * row.proved) / most}%` }),
                    h('i', {
                      class: 'uhr-unproved',
                      style: `width:${(100 * (row.losses - row.proved)) / most}%`,
                    }),
                  ),
                ),
                h('td', {}, count(row.losses), h('small', {}, `${count(row.proved)} proved`)),
              ),
            ),
          ),
        )
      : h('p', { class: 'uhr-note' }, 'Nothing was lost.'),
  );
}

/** Importance and order of regions; the last as released. */
const SHOWN = [
  ['similarity', 'max'],
  ['fused', 'max'],
  ['attention', 'mean'],
];
const KINDS = { 'kind: car': 'cars', 'kind: person': 'people' };
const GROUPS = [
  'all',
  'kind: car',
  'kind: person',
  'size: <= 4',
  'size: 5-8',
  'size: 9-16',
  'size: 17-32',
  'size: > 32',
];

function photographs({ pictures, chips, placements, points: rows, causes }) {
  const budgets = [...new Set(rows.map((row) => row.budget))].sort((a, b) => a - b);
  const place = h('div');
  const choice = h(
    'div',
    { class: 'uhr-choice', role: 'group', 'aria-label': 'Token budget' },
    budgets.map((budget) =>
      h(
        'button',
        { type: 'button', class: 'uhr-chip', 'data-budget': budget, onclick: () => draw(budget) },
        `${count(budget)} tokens`,
      ),
    ),
  );

  function draw(budget) {
    for (const button of choice.children)
      button.setAttribute('aria-pressed', Number(button.dataset.budget) === budget);
    const here = rows.filter((row) => row.budget === budget);
    const lost = causes.filter((row) => row.budget === budget && row.losses);
    place.replaceChildren(
      table(
        'Preserved real objects',
        [
          ['objects', 'Longer side at 4,032 px'],
          ...SHOWN.map(([importance, order]) => [
            interval(importance),
            `Importance ${importance}, regions ordered by ${order}`,
          ]),
        ],
        GROUPS.filter((group) => here.some((row) => row.group === group)).map((group) => [
          KINDS[group] ?? sizeName(group),
          ...SHOWN.map(([importance, order]) => {
            const row = here.find(
              (r) => r.importance === importance && r.order === order && r.group === group,
            );
            return row ? share(row) : '–';
          }),
        ]),
      ),
      h(
        'p',
        { class: 'uhr-note' },
        lost.length
          ? `Not preserved by default: ${lost.map((row) => `${row.cause} ${count(row.losses)}`).join(', ')}.`
          : 'All preserved by default.',
      ),
    );
  }
  draw(budgets.at(-1));
  return h(
    'section',
    {},
    h('h3', {}, 'Real objects in photographs'),
    h(
      'p',
      { class: 'uhr-note' },
      `${count(chips)} cars and people, cut out, shrunk and placed ${count(placements)} times in ${count(pictures)} photographs: share of them with a preserved token. ` +
        'nano has seen no photograph; its answers about them mean nothing and are not counted.',
    ),
    h('div', { class: 'uhr-choices' }, choice),
    place,
  );
}
