// Elements, and the addresses of what they show.

/**
 * What an element may hold; null, undefined and false leave no trace.
 * @typedef {Node | string | null | undefined | false} Part
 * @typedef {string | number | boolean | null | undefined | ((event: Event) => void)} Attribute
 */

/** The address of something below the explorer's own prefix; braces of templates survive. @param {string} path */
export const url = (path) => new URL('..', import.meta.url).href + path;

/**
 * Build an element: h('p', {class: 'note', onclick}, 'text', child).
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} [attributes]
 * @param {...(Part | Part[])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (name === 'style') element.style.cssText = String(value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...shown(children.flat()));
  return element;
}

/** Those of the parts that leave a trace. @param {Part[]} parts */
export const shown = (parts) => parts.filter((part) => part != null && part !== false);

/**
 * Set an attribute that takes "true" or "false".
 * @param {Element} element
 * @param {string} name
 * @param {boolean} value
 */
export const flag = (element, name, value) => element.setAttribute(name, String(value));

/** A canvas's drawing context. @param {HTMLCanvasElement} canvas */
export function ink(canvas) {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser draws no canvas');
  return context;
}
