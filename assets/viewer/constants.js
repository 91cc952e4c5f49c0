// What Python writes into the page's head for these scripts (app/constants.py).

const written = document.getElementById('uhr-constants')?.textContent;
if (!written) throw new Error('the page has no #uhr-constants: app/constants.py writes it into the head');

/** @type {import('./types.d.ts').Constants} */
export const CONSTANTS = JSON.parse(written);
