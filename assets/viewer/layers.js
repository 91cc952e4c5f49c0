// Draws one layer of one scale over the image: fate, importance or regions, and the outlines of the regions.

import { FATE_PIXEL, HEAT, regionPixel } from './colors.js';
import { L } from './leaflet.js';
import { budgets, get, on, onFrame, set } from './store.js';
import { loadTokens } from './tokens.js';

const OUTLINE = 0xd0ffffff;

/** A canvas of `side` x `side` pixels laid over the scene square. */
class TokenCanvas {
  constructor(map, bounds, side, className) {
    this.canvas = document.createElement('canvas');
    this.canvas.width = this.canvas.height = side;
    this.canvas.className = `uhr-pixels ${className}`;
    this.context = this.canvas.getContext('2d');
    this.data = this.context.createImageData(side, side);
    this.pixels = new Uint32Array(this.data.data.buffer);
    this.layer = L.svgOverlay(this.canvas, bounds, { interactive: false }).addTo(map);
  }

  show() {
    this.context.putImageData(this.data, 0, 0);
  }

  remove() {
    this.layer.remove();
  }
}

/** Grid positions whose centre lies outside the image: padding of the scene square, left clear. */
function padding(image, grid) {
  const outside = new Uint8Array(grid * grid);
  const step = image.side / grid;
  for (let row = 0; row < grid; row++) {
    const y = (row + 0.5) * step - image.offset[1];
    for (let col = 0; col < grid; col++) {
      const x = (col + 0.5) * step - image.offset[0];
      if (x < 0 || y < 0 || x > image.width || y > image.height) outside[row * grid + col] = 1;
    }
  }
  return outside;
}

const PAINT = {
  fate(pixels, tokens, outside, budget) {
    const { rank, merged } = tokens;
    const { preserved, merged: average, dropped } = FATE_PIXEL;
    for (let i = 0; i < pixels.length; i++) {
      pixels[i] = outside[i] ? 0 : rank[i] > budget ? dropped : merged[i] ? average : preserved;
    }
  },
  importance(pixels, tokens, outside) {
    const [low, high] = tokens.source.stretch;
    const scale = 255 / (high - low || 1);
    for (let i = 0; i < pixels.length; i++) {
      const value = (tokens.importance[i] - low) * scale;
      pixels[i] = outside[i] ? 0 : HEAT[value < 0 ? 0 : value > 255 ? 255 : value | 0];
    }
  },
  regions(pixels, tokens, outside) {
    for (let i = 0; i < pixels.length; i++) pixels[i] = outside[i] ? 0 : regionPixel(tokens.region[i]);
  },
};

/** Mark the pixels on the inner border between neighbouring tokens of different regions. */
function outline(pixels, tokens, outside, factor) {
  const { grid, region } = tokens;
  const side = grid * factor;
  for (let row = 0; row < grid; row++) {
    for (let col = 0; col < grid; col++) {
      const index = row * grid + col;
      if (outside[index]) continue;
      if (col + 1 < grid && region[index] !== region[index + 1]) {
        for (let d = 0; d < factor; d++) pixels[(row * factor + d) * side + (col + 1) * factor - 1] = OUTLINE;
      }
      if (row + 1 < grid && region[index] !== region[index + grid]) {
        for (let d = 0; d < factor; d++) pixels[((row + 1) * factor - 1) * side + col * factor + d] = OUTLINE;
      }
    }
  }
}

/** Keep the layer over the map in step with the page's state. `bounds()` are those of the scene square. */
export function followLayers(map, bounds) {
  let drawn = null; // what the canvas shows: {key, canvas, outside}
  let outlines = null; // {key, canvas}

  on('maps', async ({ maps }) => {
    set({ tokens: null });
    if (!maps) return;
    try {
      const tokens = await loadTokens(maps, () => set({ ready: maps.id }));
      if (get().maps?.id === maps.id) set({ tokens });
    } catch (error) {
      if (get().maps?.id === maps.id) set({ notice: 'The token maps could not be loaded. Ask again.' });
    }
  });

  async function drawLayer() {
    const { tokens, layer, scale, image, maps, opacity } = get();
    const wanted = tokens && image && layer !== 'image' ? `${maps.id}/${scale}/${layer}` : null;
    const own = tokens?.get(scale);
    if (!wanted || !own) {
      drawn?.canvas.remove();
      drawn = null;
      return;
    }
    if (drawn?.key !== wanted) {
      if (layer === 'importance' && !own.importance) await own.importances();
      if (layer === 'regions' && !own.region) await own.regions();
      const now = get();
      if (now.layer !== layer || now.scale !== scale || now.maps?.id !== maps.id) return;
      drawn?.canvas.remove();
      drawn = {
        key: wanted,
        outside: padding(image, own.grid),
        canvas: new TokenCanvas(map, bounds(), own.grid, `uhr-${layer}`),
        painted: null,
      };
    }
    drawn.canvas.layer.setOpacity(opacity);
    const budget = layer === 'fate' ? budgets()[maps.scales.findIndex((s) => s.size === scale)] : 0;
    if (drawn.painted === budget) return;
    const started = performance.now();
    PAINT[layer](drawn.canvas.pixels, own, drawn.outside, budget);
    drawn.canvas.show();
    drawn.painted = budget;
    window.UHRBAT.marks.push({
      what: 'paint',
      layer,
      scale,
      budget,
      at: started,
      took: performance.now() - started,
    });
    if (window.UHRBAT.marks.length > 5000) window.UHRBAT.marks.splice(0, 2500);
  }

  async function drawOutlines() {
    const { tokens, outlines: shown, scale, image, maps } = get();
    const own = tokens?.get(scale);
    const wanted = shown && own && image ? `${maps.id}/${scale}` : null;
    if (outlines?.key === wanted) return;
    outlines?.canvas.remove();
    outlines = null;
    if (!wanted) return;
    await own.regions();
    if (!get().outlines || get().scale !== scale || get().maps?.id !== maps.id) return;
    const factor = Math.max(2, Math.floor(1440 / own.grid));
    outlines = { key: wanted, canvas: new TokenCanvas(map, bounds(), own.grid * factor, 'uhr-outlines') };
    outline(outlines.canvas.pixels, own, padding(image, own.grid), factor);
    outlines.canvas.show();
  }

  onFrame('tokens layer scale budget opacity', drawLayer);
  onFrame('tokens outlines scale', drawOutlines);
}
