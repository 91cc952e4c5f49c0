// In which of the two ways an answer's tokens were chosen.

/** What is chosen in each way. @typedef {Record<string, Record<string, string>>} Ways */

const CHOICES = ['importance', 'regions', 'order'];

/**
 * The way of a method's choices; null where they are those of neither.
 * @param {Record<string, string | number>} method
 * @param {Ways} ways
 */
export const wayOf = (method, ways) =>
  Object.keys(ways).find((way) => CHOICES.every((key) => method[key] === ways[way][key])) ?? null;
