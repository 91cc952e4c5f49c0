// The Compare tab: the same question at the same budget through several compressors, side by side.

import { FATE_PIXEL } from './colors.js';
import { count, follow, h, on, percent, seconds, set, sum, url } from './store.js';
import { runButton } from './sweep.js';

const SIDE = 144;
const COLORS = [FATE_PIXEL.dropped, FATE_PIXEL.preserved, FATE_PIXEL.merged];

export async function mount(context) {
  const root = context.element.querySelector('.uhr-panel');
  const result = h('div', {});
  root.replaceChildren(
    h('p', { class: 'uhr-lead' }, 'The same question with just as many tokens, chosen in other ways.'),
    runButton('Compare at this budget', 'compare', context),
    result,
  );
  follow(context, (value) => set({ compare: value }));
  on('compare question', ({ compare, question }) => result.replaceChildren(...content(compare, question)));
}

function content(compare, question) {
  if (!compare) return [];
  const stale = compare.question.trim() !== question.trim();
  return [
    h(
      'p',
      { class: 'uhr-note' },
      `${count(sum(compare.budgets))} tokens. Small pictures: fates at 672, 1344, 2688, 4032. `,
      stale && h('span', { class: 'uhr-stale' }, `for: ${compare.question}`),
    ),
    ...compare.methods.map((method) => card(method, compare.thumbnail)),
  ];
}

function card(method, thumbnail) {
  const pictures = Object.entries(method.fates).map(([size, fates]) => {
    const canvas = h('canvas', {
      width: SIDE,
      height: SIDE,
      role: 'img',
      title: `Scale ${size}`,
      'aria-label': `What ${method.label} keeps at scale ${size}`,
    });
    draw(canvas, thumbnail, fates);
    return canvas;
  });
  const tick =
    method.correct == null
      ? null
      : h(
          'span',
          {
            class: `uhr-tick ${method.correct ? 'right' : 'wrong'}`,
            'aria-label': method.correct ? 'correct' : 'wrong',
          },
          method.correct ? '✓' : '✗',
        );
  return h(
    'div',
    { class: 'uhr-method', 'data-method': method.name },
    h(
      'div',
      { class: 'uhr-methodhead' },
      h('span', { class: 'uhr-methodname', title: method.explanation }, method.label),
      h('span', { class: 'uhr-counteranswer' }, tick, method.answer || '(empty)'),
    ),
    h('div', { class: 'uhr-fatepictures' }, pictures),
    h(
      'p',
      { class: 'uhr-note' },
      [
        method.evidence == null ? null : `evidence ${percent(method.evidence, 0)}`,
        `${count(method.tokens)} tokens`,
        seconds(method.seconds),
      ]
        .filter(Boolean)
        .join(' · '),
    ),
  );
}

/** The image, small, under the fates of one scale. */
async function draw(canvas, thumbnail, fates) {
  const context = canvas.getContext('2d');
  const load = async (source) => createImageBitmap(await (await fetch(url(source))).blob());
  try {
    const [image, kinds] = await Promise.all([load(thumbnail), load(fates)]);
    context.drawImage(image, 0, 0, SIDE, SIDE);
    const layer = new OffscreenCanvas(kinds.width, kinds.height);
    const ink = layer.getContext('2d');
    ink.drawImage(kinds, 0, 0);
    const data = ink.getImageData(0, 0, kinds.width, kinds.height);
    const pixels = new Uint32Array(data.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = COLORS[pixels[i] & 255] ?? 0;
    ink.putImageData(data, 0, 0);
    context.imageSmoothingEnabled = kinds.width > SIDE;
    context.drawImage(layer, 0, 0, SIDE, SIDE);
  } catch {
    canvas.setAttribute('aria-label', 'The picture could not be loaded');
  }
}
