// What stands over and under the map: scale and layer buttons, tools, legend, opacity, the pointer's read-out, keys.

import { FATE, HEAT_CSS } from './colors.js';
import { L } from './leaflet.js';
import { mapText, tokenAt } from './places.js';
import { SIZES, budgets, count, get, h, on, onFrame, set } from './store.js';

const LAYERS = {
  image: { label: 'Image', key: 'i', tip: 'The image alone (key i)' },
  importance: { label: 'Importance', key: 'h', tip: 'How much this question needs each token (key h)' },
  fate: {
    label: 'Fate',
    key: 'f',
    tip: 'Which tokens are preserved, merged or dropped at this budget (key f)',
  },
  regions: { label: 'Regions', key: 'r', tip: 'The partition inside which tokens are merged (key r)' },
};

export function toolbar(root, host, view) {
  const top = h(
    'div',
    { class: 'uhr-tools' },
    segmented(
      'Scale',
      SIZES.map((size, i) => ({
        value: size,
        label: String(size),
        tip: `The scene resized to ${size} px: ${count((size / 14) ** 2)} tokens (key ${i + 1})`,
      })),
      'scale',
    ),
    segmented(
      'Layer',
      Object.entries(LAYERS).map(([value, { label, tip }]) => ({ value, label, tip })),
      'layer',
    ),
    h('span', { class: 'uhr-spring' }),
    h(
      'div',
      { class: 'uhr-segment' },
      toggle('Box', 'Draw a box around an object to see what became of its tokens (key b)', 'drawing'),
      toggle('Objects', 'Show the known objects of this example (key o)', 'showObjects', 'uhr-has-objects'),
    ),
  );
  const zoom = h(
    'div',
    { class: 'uhr-zoom' },
    button('+', 'Zoom in', () => view.map.zoomIn()),
    button('−', 'Zoom out', () => view.map.zoomOut()),
    button(icon('M2.5 2.5h11v11h-11zM5.5 5.5h5v5h-5z'), 'Whole image (key 0)', () => view.fit()),
    button(icon('M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4'), 'Full screen', () =>
      document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen(),
    ),
  );
  const bar = h('div', { class: 'uhr-scalebar', hidden: true });
  const empty = h('div', { class: 'uhr-empty' });
  host.append(empty);
  for (const part of [top, zoom]) {
    L.DomEvent.disableClickPropagation(part);
    host.append(part);
  }
  host.append(bar);
  root.append(legend(host, view));

  followScaleBar(bar, view);
  on('image progress', ({ image, progress }) => {
    empty.hidden = Boolean(image);
    empty.textContent =
      progress?.state === 'running' ? `${progress.text} …` : 'Choose an example, or upload an image.';
    root.classList.toggle('no-objects', !image?.objects?.length);
  });
  keys(root, view);
}

function button(text, label, onclick, attributes = {}) {
  return h('button', { type: 'button', title: label, 'aria-label': label, onclick, ...attributes }, text);
}

function icon(path) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  line.setAttribute('d', path);
  svg.append(line);
  return svg;
}

/** A row of buttons of which one is on: the state's `key`. */
function segmented(label, choices, key) {
  const buttons = choices.map(({ value, label: text, tip }) =>
    h(
      'button',
      { type: 'button', title: tip, 'data-value': value, onclick: () => set({ [key]: value }) },
      text,
    ),
  );
  on(key, (state) =>
    buttons.forEach((b) => b.setAttribute('aria-pressed', b.dataset.value === String(state[key]))),
  );
  return h('div', { class: 'uhr-segment', role: 'group', 'aria-label': label }, buttons);
}

function toggle(text, tip, key, className = '') {
  const element = h(
    'button',
    {
      type: 'button',
      title: tip,
      class: className,
      'data-tool': key,
      onclick: () => set({ [key]: !get()[key] }),
    },
    text,
  );
  on(key, (state) => element.setAttribute('aria-pressed', Boolean(state[key])));
  return element;
}

/** The strip under the map: what the colours mean, how strong they are, and what lies under the pointer. */
function legend(host, view) {
  const swatch = (fate) =>
    h('span', { class: 'uhr-key' }, h('i', { style: `background:${FATE[fate]}` }), fate);
  const meaning = h('span', { class: 'uhr-meaning' });
  const readout = h('output', { class: 'uhr-readout', 'aria-live': 'off' });
  const opacity = h('input', {
    type: 'range',
    min: 0.1,
    max: 1,
    step: 0.05,
    'aria-label': 'Layer opacity',
    oninput: (event) => set({ opacity: +event.target.value }),
  });
  const outlines = h('input', {
    type: 'checkbox',
    onchange: (event) => set({ outlines: event.target.checked }),
  });
  on('opacity', (state) => {
    opacity.value = state.opacity;
  });
  on('outlines', (state) => {
    outlines.checked = state.outlines;
  });
  on('layer tokens scale maps', ({ layer, tokens, scale, maps }) => {
    const own = tokens?.get(scale);
    const parts = {
      image: [],
      fate: ['preserved', 'merged', 'dropped'].map(swatch),
      importance: own
        ? [
            own.source.stretch[0].toFixed(2),
            h('i', { class: 'uhr-ramp', style: `background:${HEAT_CSS}` }),
            own.source.stretch[1].toFixed(2),
            own.scored ? '' : h('em', {}, 'enlarged from 672'),
          ]
        : [],
      regions: ['Each colour patch is one region'],
    };
    const waits = maps ? 'loading the token maps …' : 'ask a question to see its tokens';
    meaning.replaceChildren(...(tokens || layer === 'image' ? parts[layer] : [waits]));
  });
  host.append(readout);
  followPointer(host, view, readout);
  return h(
    'div',
    { class: 'uhr-strip' },
    meaning,
    h(
      'label',
      { class: 'uhr-opacity', title: 'How strongly the layer covers the image' },
      h('span', {}, 'opacity'),
      opacity,
    ),
    h('label', { class: 'uhr-outline', title: 'Draw the borders of the regions' }, outlines, 'outlines'),
  );
}

function followPointer(host, view, readout) {
  let at = null;
  const write = () => {
    const { image, tokens, scale, maps } = get();
    if (!at || !image || at.x < 0 || at.y < 0 || at.x >= image.width || at.y >= image.height) {
      readout.textContent = '';
      return;
    }
    const [row, col] = tokenAt(at, image, scale);
    const parts = [
      `x ${count(at.x)} y ${count(at.y)}`,
      ...(image.place ? [`${mapText(at.x, at.y, image)} ${image.place.crs}`] : []),
      `scale ${scale} token (${row}, ${col})`,
    ];
    const own = tokens?.get(scale);
    if (own) {
      const index = row * own.grid + col;
      const budget = budgets()[maps.scales.findIndex((s) => s.size === scale)];
      if (own.importance) parts.push(`importance ${own.importance[index].toFixed(3)}`);
      parts.push(
        own.rank[index] > own.count ? 'never enters' : `rank ${count(own.rank[index])}`,
        own.fate(index, budget),
      );
    }
    readout.textContent = parts.join(' · ');
  };
  host.addEventListener('pointermove', (event) => {
    at = get().image ? view.toImage(view.map.mouseEventToLatLng(event)) : null;
    write();
  });
  host.addEventListener('pointerleave', () => {
    at = null;
    write();
  });
  onFrame('budget scale tokens', write);
}

/** A scale bar in metres, where the file says how large its pixels are. */
function followScaleBar(bar, view) {
  const draw = () => {
    const { image } = get();
    const metres = image?.metres_per_pixel;
    bar.hidden = !metres;
    if (!metres) return;
    const perScreenPixel = metres * 2 ** (image.max_zoom - view.map.getZoom());
    const most = perScreenPixel * 110;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((n) => n * power).find((n) => n <= most) ?? power;
    bar.style.width = `${length / perScreenPixel}px`;
    bar.textContent = length >= 1000 ? `${length / 1000} km` : `${+length.toPrecision(2)} m`;
  };
  view.map.on('zoom move', draw);
  on('image', draw);
}

const STEP = 80; // screen pixels an arrow key moves, as in Leaflet

/** Single keys work while the pointer is over the viewer or the viewer has the focus. */
function keys(root, view) {
  let over = false;
  root.addEventListener('pointerenter', () => {
    over = true;
  });
  root.addEventListener('pointerleave', () => {
    over = false;
  });
  const actions = {
    0: () => view.fit(),
    b: () => set({ drawing: !get().drawing }),
    o: () => set({ showObjects: !get().showObjects }),
    Escape: () => set({ drawing: false, rubber: null }),
  };
  // Leaflet's own keys need the focus on the map; these work wherever the pointer brings one.
  const pan = (x, y) => () =>
    document.activeElement !== view.map.getContainer() && view.map.panBy([x * STEP, y * STEP]);
  Object.assign(actions, {
    ArrowLeft: pan(-1, 0),
    ArrowRight: pan(1, 0),
    ArrowUp: pan(0, -1),
    ArrowDown: pan(0, 1),
  });
  for (const key of '+=') actions[key] = () => view.map.zoomIn();
  for (const key of '-_') actions[key] = () => view.map.zoomOut();
  SIZES.forEach((size, i) => {
    actions[i + 1] = () => set({ scale: size });
  });
  for (const [layer, { key }] of Object.entries(LAYERS)) actions[key] = () => set({ layer });
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest?.(
      'input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]',
    );
    const sliding = event.target.type === 'range' && event.key.startsWith('Arrow');
    const inside = over || root.contains(document.activeElement);
    if (
      typing ||
      sliding ||
      !inside ||
      event.defaultPrevented ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      !actions[event.key]
    )
      return;
    actions[event.key]();
    event.preventDefault();
  });
}
