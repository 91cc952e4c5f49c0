// Charts are drawn as SVG by hand: two small ones need no library.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Build an SVG element: element('line', {x1: 0, class: 'grid'}, child).
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string | number>} attributes
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[Name]}
 */
export function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/**
 * Words at a place.
 * @param {string} words
 * @param {number} x
 * @param {number} y
 * @param {'start' | 'middle' | 'end'} anchor
 */
export const text = (words, x, y, anchor) => element('text', { x, y, 'text-anchor': anchor }, words);

/**
 * A straight line.
 * @param {string} className
 * @param {[x: number, y: number]} from
 * @param {[x: number, y: number]} to
 */
export const line = (className, [x1, y1], [x2, y2]) => element('line', { x1, y1, x2, y2, class: className });
