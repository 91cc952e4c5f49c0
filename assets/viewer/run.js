// The Run tab: how the shown answer came about (stages, memory, settings) and downloads of everything.

import { bytes, count, follow, h, on, seconds, set, url } from './store.js';

const STAGES = {
  read: 'read the image',
  encode: 'encode its tiles',
  score: 'score the tokens',
  partition: 'find the regions',
  rank: 'rank the tokens',
  select: 'select',
  prefill: 'language model: read',
  decode: 'language model: answer',
};
const FILES = [
  ['run.json', 'JSON', 'Every number of this run'],
  ['ledger.csv', 'CSV', 'The ledger, one row a scale'],
  [
    'objects.geojson',
    'GeoJSON',
    'Points, inspected box and objects, on the map where the file is georeferenced',
  ],
];

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  follow(context, (value) => set({ run: value }));
  on('run', ({ run }) => root.replaceChildren(...content(run)));
}

function content(run) {
  if (!run)
    return [
      h(
        'p',
        { class: 'uhr-placeholder' },
        'After a question: the time of every stage, settings, memory and downloads.',
      ),
    ];
  const stages = Object.entries(run.seconds);
  const longest = Math.max(...stages.map(([, value]) => value), 1e-3);
  const link = ([file, label, tip]) =>
    h(
      'a',
      { class: 'uhr-chip', href: url(`run/${run.id}/${file}`), download: `uhrbat-${file}`, title: tip },
      label,
    );
  return [
    h('h4', { title: 'Grey: kept from before, not done again' }, 'Stages'),
    h(
      'table',
      { class: 'uhr-stages', 'aria-label': 'Stage times' },
      h(
        'tbody',
        {},
        stages.map(([stage, value]) => {
          const reused = run.reused.includes(stage);
          return h(
            'tr',
            { class: reused ? 'is-reused' : '' },
            h('th', { scope: 'row' }, STAGES[stage] ?? stage),
            h(
              'td',
              { class: 'uhr-barcell' },
              h('div', { class: 'uhr-bar' }, h('i', { style: `width:${(100 * value) / longest}%` })),
            ),
            h('td', {}, seconds(value), reused ? h('small', {}, 'kept') : ''),
          );
        }),
      ),
    ),
    h('h4', {}, 'Settings'),
    h(
      'dl',
      { class: 'uhr-facts-list' },
      Object.entries(run.facts).flatMap(([name, value]) => [
        h('dt', {}, name),
        h(
          'dd',
          {},
          typeof value === 'number' && name.startsWith('memory')
            ? bytes(value)
            : typeof value === 'number'
              ? count(value)
              : value,
        ),
      ]),
    ),
    h('h4', {}, 'Download'),
    h(
      'div',
      { class: 'uhr-chips' },
      FILES.map(link),
      run.sizes.map((size) =>
        link([
          `figure-${size}.png`,
          `Figure ${size}`,
          `Image, importance, regions and fate at ${size}, as a paper would print them`,
        ]),
      ),
    ),
  ];
}
