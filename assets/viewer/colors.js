// Each colour means one thing everywhere. The same numbers stand in app/theme.py for the printed figures.

export const FATE = { preserved: '#56B4E9', merged: '#E69F00', dropped: '#05080d' };

const rgba = (hex, alpha) => {
  const n = parseInt(hex.slice(1), 16);
  return ((alpha << 24) | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0; // ABGR, as ImageData wants it
};

export const FATE_PIXEL = {
  preserved: rgba(FATE.preserved, 255),
  merged: rgba(FATE.merged, 100),
  dropped: rgba(FATE.dropped, 170),
};

// Inferno (matplotlib), 17 stops: perceptually uniform, dark where nothing is asked for.
const STOPS = [
  '#000004',
  '#0c0826',
  '#230a4a',
  '#3f0967',
  '#580f6c',
  '#71196d',
  '#88216a',
  '#a12b61',
  '#ba3655',
  '#d04545',
  '#e45931',
  '#f2741c',
  '#fb9006',
  '#fcb11d',
  '#f6d644',
  '#f2f27c',
  '#fcffa4',
];

function interpolate(position) {
  const place = Math.min(Math.max(position, 0), 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  const [a, b] = [parseInt(STOPS[low].slice(1), 16), parseInt(STOPS[low + 1].slice(1), 16)];
  const mix = (shift) =>
    Math.round(((a >> shift) & 255) + (place - low) * (((b >> shift) & 255) - ((a >> shift) & 255)));
  return [mix(16), mix(8), mix(0)];
}

/** Heat map as 256 ABGR pixels. */
export const HEAT = Uint32Array.from({ length: 256 }, (_, i) => {
  const [r, g, b] = interpolate(i / 255);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
});

export const HEAT_CSS = `linear-gradient(90deg, ${STOPS.join(', ')})`;

// Regions are only told apart, so neighbours need different colours and nothing more: twelve calm ones.
const REGION = [
  '#8dd3c7',
  '#bebada',
  '#fb8072',
  '#80b1d3',
  '#fdb462',
  '#b3de69',
  '#fccde5',
  '#d9d9d9',
  '#bc80bd',
  '#ccebc5',
  '#ffed6f',
  '#1f9e89',
].map((hex) => rgba(hex, 200));

export const regionPixel = (region) => REGION[(Math.imul(region + 1, 2654435761) >>> 0) % REGION.length];
