// From pixels of the upright image to tokens and to the map. `grid` is how many tokens a side a scale has.

/**
 * @typedef {import('./types.d.ts').Box} Box
 * @typedef {import('./types.d.ts').ImageValue} ImageValue
 * @typedef {import('./types.d.ts').Place} Place
 * @typedef {Pick<ImageValue, 'width' | 'height' | 'side' | 'offset'>} Placed
 */

/**
 * @param {number} value
 * @param {number} most
 */
export const clamp = (value, most) => Math.max(0, Math.min(most, value));

/**
 * [row, column] of the token that an image position lies in.
 * @param {{x: number, y: number}} position
 * @param {Pick<Placed, 'side' | 'offset'>} image
 * @param {number} grid
 * @returns {[number, number]}
 */
export function tokenAt({ x, y }, image, grid) {
  /**
   * @param {number} value
   * @param {number} offset
   */
  const cell = (value, offset) => clamp(Math.floor(((value + offset) * grid) / image.side), grid - 1);
  return [cell(y, image.offset[1]), cell(x, image.offset[0])];
}

/**
 * The part of a token that lies on the image, as a box in image pixels.
 * @param {[number, number]} token Row and column.
 * @param {Placed} image
 * @param {number} grid
 * @returns {Box}
 */
export function tokenBox([row, col], image, grid) {
  const step = image.side / grid;
  const [x, y] = [col * step - image.offset[0], row * step - image.offset[1]];
  return [Math.max(0, x), Math.max(0, y), Math.min(image.width, x + step), Math.min(image.height, y + step)];
}

const EDGE = 1e-6; // of a token, so that rounding never adds a row (uhrbat/geometry.py)

/**
 * First and last row and column of the tokens that a box touches.
 * @param {Box} box
 * @param {Pick<Placed, 'side' | 'offset'>} image
 * @param {number} grid
 * @returns {import('./types.d.ts').Cells}
 */
export function cellsOf([x0, y0, x1, y1], { side, offset: [x, y] }, grid) {
  /**
   * @param {number} start
   * @param {number} stop
   * @returns {[number, number]}
   */
  function touched(start, stop) {
    const first = Math.min(Math.floor((clamp(start, side) * grid) / side + EDGE), grid - 1);
    const last = Math.ceil((clamp(stop, side) * grid) / side - EDGE) - 1;
    return [first, Math.max(first, Math.min(last, grid - 1))];
  }
  return { rows: touched(y + y0, y + y1), cols: touched(x + x0, x + x1) };
}

/**
 * First and last row and column of the tokens that the image touches; the others are padding of the square.
 * @param {Placed} image
 * @param {number} grid
 */
export const imageCells = (image, grid) => cellsOf([0, 0, image.width, image.height], image, grid);

/**
 * The grid's tokens that show nothing of the image: padding of the square. One byte a token, 1 outside.
 * @param {Placed} image
 * @param {number} grid
 */
export function padding(image, grid) {
  const outside = new Uint8Array(grid * grid).fill(1);
  const { rows, cols } = imageCells(image, grid);
  for (let row = rows[0]; row <= rows[1]; row++) {
    outside.fill(0, row * grid + cols[0], row * grid + cols[1] + 1);
  }
  return outside;
}

/**
 * How many tokens of a scale show something of the image; all of them where there is no image.
 * @param {Placed | null} image
 * @param {number} grid
 */
export function imageTokens(image, grid) {
  if (!image) return grid * grid;
  const { rows, cols } = imageCells(image, grid);
  return (rows[1] - rows[0] + 1) * (cols[1] - cols[0] + 1);
}

/**
 * The box between two corners, whichever they are.
 * @param {{x: number, y: number}} a
 * @param {{x: number, y: number}} b
 * @returns {Box}
 */
export const boxBetween = (a, b) => [
  Math.min(a.x, b.x),
  Math.min(a.y, b.y),
  Math.max(a.x, b.x),
  Math.max(a.y, b.y),
];

/**
 * A box on whole pixels, at least one, inside the image.
 * @param {Box} box
 * @param {Pick<ImageValue, 'width' | 'height'>} image
 * @returns {Box}
 */
export function wholePixels(box, { width, height }) {
  const x0 = Math.min(Math.floor(box[0]), width - 1);
  const y0 = Math.min(Math.floor(box[1]), height - 1);
  return [x0, y0, Math.max(x0 + 1, Math.ceil(box[2])), Math.max(y0 + 1, Math.ceil(box[3]))];
}

/**
 * The known object that a drawn box is meant for: the only one whose centre lies in it, unless the box is far larger.
 * @template {{box: Box}} Known
 * @param {Box} drawn
 * @param {Known[]} objects
 * @returns {Known | null}
 */
export function meantObject([x0, y0, x1, y1], objects) {
  const inside = objects.filter(({ box }) => {
    const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    return x >= x0 && x <= x1 && y >= y0 && y <= y1;
  });
  if (inside.length !== 1) return null;
  const [left, top, right, bottom] = inside[0].box;
  const loose = x1 - x0 <= 2.5 * (right - left) + 8 && y1 - y0 <= 2.5 * (bottom - top) + 8;
  return loose ? inside[0] : null;
}

/**
 * The known object nearest to a place, at most so far from its box; null where there is none.
 * @template {{box: Box}} Known
 * @param {{x: number, y: number}} at
 * @param {Known[]} objects
 * @param {number} reach Image pixels.
 * @returns {Known | null}
 */
export function objectAt({ x, y }, objects, reach) {
  const away = objects.map(({ box: [x0, y0, x1, y1] }) => Math.max(x0 - x, x - x1, y0 - y, y - y1, 0));
  const nearest = Math.min(...away);
  return nearest <= reach ? objects[away.indexOf(nearest)] : null;
}

/**
 * Whether a box has an area and lies inside the image.
 * @param {Box} box
 * @param {Pick<ImageValue, 'width' | 'height'>} image
 */
export const fits = ([x0, y0, x1, y1], { width, height }) =>
  x0 >= 0 && y0 >= 0 && x0 < x1 && y0 < y1 && x1 <= width && y1 <= height;

/**
 * Map coordinates of an image position, to a tenth of a pixel or as far as they are known, as text; '' where the file
 * has no place on the map.
 * @param {number} x
 * @param {number} y
 * @param {Pick<ImageValue, 'place' | 'width' | 'height'>} image
 */
export function mapText(x, y, image) {
  const { place } = image;
  if (!place) return '';
  const [here, east] = [mapPosition(x, y, image, place), mapPosition(x + 1, y, image, place)];
  const step = Math.hypot(east[0] - here[0], east[1] - here[1]) || 1;
  const fine = Math.min(9, Math.max(0, Math.ceil(1 - Math.log10(step) - 1e-6)));
  const digits = Math.min(fine, place.decimals ?? fine);
  const format = new Intl.NumberFormat('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  if (place.degrees) here[0] = here[0] > 180 ? here[0] - 360 : here[0];
  return here.map((value) => format.format(value)).join(' ');
}

/**
 * @param {number} x
 * @param {number} y
 * @param {Pick<ImageValue, 'width' | 'height'>} image
 * @param {Place} place
 * @returns {[number, number]}
 */
function mapPosition(x, y, { width, height }, { transform, lattice }) {
  if (transform) {
    const [a, b, c, d, e, f] = transform;
    return [a * x + b * y + c, d * x + e * y + f];
  }
  const rows = lattice ?? [];
  const [down, across] = [rows.length - 1, rows[0].length - 1];
  const row = clamp(Math.floor((y / height) * down), down - 1);
  const col = clamp(Math.floor((x / width) * across), across - 1);
  const [v, u] = [(y / height) * down - row, (x / width) * across - col];
  /** @param {0 | 1} axis */
  const between = (axis) =>
    (1 - v) * ((1 - u) * rows[row][col][axis] + u * rows[row][col + 1][axis]) +
    v * ((1 - u) * rows[row + 1][col][axis] + u * rows[row + 1][col + 1][axis]);
  return [between(0), between(1)];
}

/** The coordinate system, and how far off its coordinates may be. @param {Place} place */
export const placeName = ({ crs, accuracy }) => [crs, accuracy].filter(Boolean).join(' ');
