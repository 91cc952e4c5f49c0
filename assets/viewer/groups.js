// Names of the groups that the evaluations report, e.g. "size: 5-8" and "type: count".

/** The longer side of an object at the finest scale, from a group like "size: <= 4". @param {string} group */
export const sizeName = (group) =>
  group === 'all' ? 'all' : `${group.replace('size: ', '').replace('<=', '≤').replace('-', ' to ')} px`;

/** A group of questions. @param {string} group */
export function groupName(group) {
  if (group === 'all') return 'all questions';
  if (group.startsWith('size: ')) return `questions that need an object of ${sizeName(group)}`;
  return `${group.replace('type: ', '')} questions`;
}
