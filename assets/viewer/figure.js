// The figure to print: what it shows, how wide it is, and the files of it.

import { budgets } from './budgets.js';
import { h, url } from './dom.js';
import { hooks } from './hooks.js';
import { shareLink } from './link.js';
import { note } from './parts.js';
import { get } from './store.js';

const PANELS = {
  overview: 'Whole image, with a frame',
  image: 'Image',
  seen: 'What the model sees',
  fate: 'Kept or lost',
  importance: 'Importance',
  regions: 'Regions',
};
const USUAL = ['overview', 'image', 'importance', 'fate'];
const WIDTHS = [
  ['7', 'Page, 7 in'],
  ['3.3', 'Column, 3.3 in'],
];
const KINDS = ['pdf', 'svg', 'png'];

/** What stays chosen while the page is open. */
const chosen = { panels: new Set(USUAL), width: '7' };

/**
 * What a figure's address asks for.
 * @param {{panels: Iterable<string>, width: string}} wanted
 * @param {{scale: number, budgets: number[], view: number[] | null, link: string | null}} state
 */
export function figureQuery({ panels, width }, { scale, budgets: each, view, link }) {
  const query = new URLSearchParams({
    scale: String(scale),
    budgets: each.join('-'),
    panels: Object.keys(PANELS)
      .filter((name) => [...panels].includes(name))
      .join(','),
    width,
  });
  if (view) query.set('view', view.join(','));
  if (link) query.set('link', link);
  return query.toString();
}

/** @param {string} kind @param {string} id Of the run. */
function address(kind, id) {
  const state = {
    scale: get().scale,
    budgets: budgets(),
    view: hooks.view?.box() ?? null,
    link: shareLink(),
  };
  return url(`run/${id}/figure.${kind}?${figureQuery(chosen, state)}`);
}

/** @param {import('./types.d.ts').RunValue} run */
export function figureForm({ id }) {
  const status = h('span', { class: 'uhr-note', role: 'status' });
  // The address is made when it is needed: the view may have moved since.
  const link = (/** @type {string} */ kind) =>
    h(
      'a',
      {
        class: 'uhr-chip',
        'data-figure': kind,
        href: address(kind, id),
        download: '',
        onclick: (event) => {
          if (event.currentTarget instanceof HTMLAnchorElement) event.currentTarget.href = address(kind, id);
        },
      },
      kind.toUpperCase(),
    );
  async function copy() {
    const reply = await fetch(address('txt', id));
    await navigator.clipboard.writeText(await reply.text());
    status.textContent = 'Copied.';
  }
  return h(
    'section',
    { class: 'uhr-figure' },
    h('h3', {}, 'Figure of the current view'),
    note('At the scale and budget that the viewer shows. Letters, legend and scale bar are drawn for print.'),
    h(
      'div',
      { class: 'uhr-figurepanels', role: 'group', 'aria-label': 'Panels of the figure' },
      Object.entries(PANELS).map(([name, label]) =>
        h(
          'label',
          {},
          h('input', {
            type: 'checkbox',
            'data-panel': name,
            checked: chosen.panels.has(name),
            onchange: ({ target }) => {
              if (!(target instanceof HTMLInputElement)) return;
              if (target.checked) chosen.panels.add(name);
              else if (chosen.panels.size > 1) chosen.panels.delete(name);
              else target.checked = true; // a figure has a panel
            },
          }),
          label,
        ),
      ),
    ),
    h(
      'div',
      { class: 'uhr-chips' },
      h(
        'select',
        {
          'aria-label': 'Width of the figure',
          onchange: ({ target }) => {
            if (target instanceof HTMLSelectElement) chosen.width = target.value;
          },
        },
        WIDTHS.map(([value, label]) => h('option', { value, selected: value === chosen.width }, label)),
      ),
      KINDS.map(link),
      h(
        'button',
        {
          type: 'button',
          class: 'uhr-chip',
          title: 'Caption, share link and BibTeX of the paper',
          onclick: () => void copy(),
        },
        'Copy caption',
      ),
      status,
    ),
  );
}
