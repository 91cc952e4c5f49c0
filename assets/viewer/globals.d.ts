// What stands on the window: Leaflet, which is a plain script, and the page's own hooks.

import type * as Leaflet from 'leaflet';
import type { hooks } from './hooks.js';

declare global {
  interface Window {
    L: typeof Leaflet;
    UHRBAT: typeof hooks;
  }
}
