// What is chosen in the picture panel as Python is sent it (uhrbat/imagery/rendering.py): only what differs from the file's own.

/**
 * @typedef {import('./types.d.ts').PictureValue} PictureValue
 * @typedef {import('./types.d.ts').Rendering} Rendering
 *
 * @typedef {object} Fields
 * @property {number[]} [bands]
 * @property {string} [low] Value shown as black; '' for the usual one.
 * @property {string} [high]
 * @property {[number, number] | null} [found] The usual limits, where they are known.
 * @property {number} [gamma]
 * @property {string} nodata 'auto', 'none' or 'value'.
 * @property {string} nodataValue
 * @property {number} [page]
 * @property {string} [transparency]
 */

/**
 * The choice, or what is wrong with it in one sentence ('' where nothing is).
 * @param {PictureValue} picture What is shown now.
 * @param {Fields} fields
 * @returns {{chosen: Rendering, wrong: string}}
 */
export function rendering(picture, fields) {
  // Another page has bands and values of its own.
  if (fields.page && fields.page !== picture.page) return { chosen: { page: fields.page }, wrong: '' };
  const limits = limitsOf(picture, fields);
  if (limits && !(limits[0] < limits[1])) return { chosen: {}, wrong: 'Black must be less than white.' };
  if (fields.nodata === 'value' && fields.nodataValue.trim() === '') {
    return { chosen: {}, wrong: 'Give the value that means no data.' };
  }
  /** @type {Rendering} */
  const chosen = {};
  const { bands, gamma, transparency } = fields;
  if (bands && (bands.join() !== picture.shown.join() || picture.chosen.bands)) chosen.bands = bands;
  if (limits) chosen.limits = limits;
  if (gamma && gamma !== 1) chosen.gamma = gamma;
  if (fields.nodata !== 'auto') chosen.nodata = fields.nodata === 'none' ? null : Number(fields.nodataValue);
  if (picture.chosen.page) chosen.page = picture.chosen.page;
  if (transparency && transparency !== 'auto') chosen.transparency = transparency;
  return { chosen, wrong: '' };
}

/**
 * The limits where they are to be other than the usual ones.
 * @param {PictureValue} picture
 * @param {Fields} fields
 * @returns {[number, number] | null}
 */
function limitsOf({ limits, chosen }, { low = '', high = '', found = null }) {
  if (low === '' && high === '') return null;
  const usual = limits ?? found ?? [0, 255];
  /** @type {[number, number]} */
  const given = [low === '' ? usual[0] : Number(low), high === '' ? usual[1] : Number(high)];
  const same = limits != null && given[0] === limits[0] && given[1] === limits[1];
  return same && !chosen.limits ? null : given;
}

/** What the file says of missing data, as a choice. @param {PictureValue} picture */
export function nodataAsFound({ nodata, chosen }) {
  if ('nodata' in chosen) return 'as the file has it';
  return nodata == null ? 'none found' : `as found: ${nodata} is left out`;
}
