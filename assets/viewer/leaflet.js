// Leaflet, loaded before whatever imports it: a script of the page's head may come later than our parts.

import '../leaflet/leaflet.js';

export const { L } = window;
