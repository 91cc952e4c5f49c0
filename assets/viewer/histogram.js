// How a picture's values are spread, and between which of them it is stretched: a drag moves the nearer limit.

import { h, url } from './dom.js';
import { element } from './svg.js';

/** @typedef {{low: number, high: number, counts: number[][], percentiles: [number, number], pixels: number}} Histogram */

const [WIDTH, HEIGHT] = [240, 54];
const COLORS = ['red', 'green', 'blue'];

/**
 * The chart of a histogram that is fetched when `load` is called, and the fields of the two limits.
 * @param {string} address
 * @param {{low: HTMLInputElement, high: HTMLInputElement, whole: boolean}} fields
 */
export function histogram(address, { low, high, whole }) {
  const bars = element('g', {});
  const [below, above] = ['0', String(WIDTH)].map((x) =>
    element('rect', { class: 'is-outside', x, y: 0, width: 0, height: HEIGHT }),
  );
  const chart = element(
    'svg',
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': 'How often each value occurs; what is shaded is black or white',
    },
    bars,
    below,
    above,
  );
  const note = h('small', { class: 'uhr-note' }, 'counting values …');
  /** @type {Histogram | null} */
  let found = null;
  let asked = false;

  async function load() {
    if (asked) return;
    asked = true;
    try {
      const reply = await fetch(url(address));
      const value = await reply.json();
      if (value.error) note.textContent = value.error;
      else draw(value);
    } catch {
      asked = false;
      note.textContent = 'The values could not be loaded: fold this and open it again.';
    }
  }
  /** @param {Histogram} value */
  function draw(value) {
    found = value;
    bars.replaceChildren(
      ...value.counts.map((counts, band) =>
        element('path', { class: value.counts.length > 1 ? `is-${COLORS[band]}` : '', d: outline(counts) }),
      ),
    );
    note.textContent = `${short(value.low)} to ${short(value.high)}`;
    [low, high].forEach((field, i) => (field.placeholder = short(value.percentiles[i])));
    mark();
  }
  /** Shade what is black or white. */
  function mark() {
    if (!found) return;
    const [from, to] = [low, high].map((field, i) => {
      const value = field.value === '' ? Number(field.placeholder) : Number(field.value);
      return place(Number.isFinite(value) ? value : ([found?.low, found?.high][i] ?? 0), found);
    });
    below.setAttribute('width', String(from));
    above.setAttribute('x', String(to));
    above.setAttribute('width', String(WIDTH - to));
  }
  /** @param {PointerEvent} event */
  function drag(event) {
    if (!found || !event.buttons) return;
    const box = chart.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    const x = share * WIDTH;
    const nearer =
      Math.abs(x - Number(below.getAttribute('width'))) < Math.abs(x - Number(above.getAttribute('x')))
        ? low
        : high;
    const value = found.low + share * (found.high - found.low);
    nearer.value = whole ? String(Math.round(value)) : short(value);
    mark();
  }
  chart.addEventListener('pointerdown', drag);
  chart.addEventListener('pointermove', drag);
  const figure = h('figure', { class: 'uhr-histogram' }, note);
  figure.prepend(chart);
  return { element: figure, load, mark, range: () => found?.percentiles ?? null };
}

/** Up to four significant digits. @param {number} value */
const short = (value) => String(Number(value.toPrecision(4)));

/**
 * Where a value lies in the chart.
 * @param {number} value
 * @param {Histogram | null} range
 */
function place(value, range) {
  if (!range) return 0;
  const share = (value - range.low) / (range.high - range.low);
  return WIDTH * Math.max(0, Math.min(1, share));
}

/**
 * The outline of the counts: their square roots, so that rare values are seen too.
 * @param {number[]} counts
 */
export function outline(counts) {
  const most = Math.sqrt(Math.max(...counts, 1));
  const step = WIDTH / counts.length;
  const tops = counts.map((n, i) => {
    const y = (HEIGHT * (1 - Math.sqrt(n) / most)).toFixed(1);
    return `L${(i * step).toFixed(1)} ${y}L${((i + 1) * step).toFixed(1)} ${y}`;
  });
  return `M0 ${HEIGHT}${tops.join('')}L${WIDTH} ${HEIGHT}Z`;
}
