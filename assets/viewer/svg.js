// Charts are drawn as SVG by hand: two small ones need no library.

const SVG = 'http://www.w3.org/2000/svg';

/** Build an SVG element: element('line', {x1: 0, class: 'grid'}, child). */
export function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Words at a place; anchor: start, middle or end. */
export function text(words, x, y, anchor) {
  return element('text', { x, y, 'text-anchor': anchor }, words);
}
