// From pixels of the upright image to tokens and to the map; the image is as app/viewer.py: image_value tells it.

/** [row, column] of the token of a scale that an image position lies in. */
export function tokenAt({ x, y }, image, scale) {
  const cells = scale / 14;
  const cell = (value, offset) =>
    Math.max(0, Math.min(cells - 1, Math.floor(((value + offset) * cells) / image.side)));
  return [cell(y, image.offset[1]), cell(x, image.offset[0])];
}

/** The part of a token that lies on the image, as a box in image pixels. */
export function tokenBox([row, col], image, scale) {
  const step = (image.side * 14) / scale;
  const [x, y] = [col * step - image.offset[0], row * step - image.offset[1]];
  return [Math.max(0, x), Math.max(0, y), Math.min(image.width, x + step), Math.min(image.height, y + step)];
}

/** Map coordinates of an image position, to a tenth of a pixel, as text; '' where the file has no place on the map. */
export function mapText(x, y, image) {
  if (!image.place) return '';
  const [a, b, c, d, e, f] = image.place.transform;
  const digits = Math.min(9, Math.max(0, Math.ceil(1 - Math.log10(Math.hypot(a, d)))));
  const shown = (value) =>
    value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${shown(a * x + b * y + c)} ${shown(d * x + e * y + f)}`;
}
