// Names of the groups that the evaluations report, e.g. "size: 5-8" and "type: count".

/** The longer side of an object at the finest scale, from a group like "size: <= 4". @param {string} group */
export const sizeName = (group) =>
  group === 'all' ? 'all' : `${group.replace('size: ', '').replace('<=', '≤').replace('-', ' to ')} px`;

/** The largest side of a group of sizes. @param {string} group */
const largest = (group) => Number(group.match(/(\d+)$/)?.[1] ?? 0) + (group.includes('>') ? 1 : 0);

/** Groups in the order in which they are listed: all, then sizes from the smallest, then types. @param {string[]} groups */
export const inOrder = (groups) =>
  [...groups].sort(
    (a, b) =>
      Number(b === 'all') - Number(a === 'all') ||
      Number(a.startsWith('type')) - Number(b.startsWith('type')) ||
      largest(a) - largest(b),
  );

/** A group of questions. @param {string} group */
export function groupName(group) {
  if (group === 'all') return 'all questions';
  if (group.startsWith('size: ')) return `questions that need an object of ${sizeName(group)}`;
  return `${group.replace('type: ', '').replace('color', 'colour')} questions`;
}
