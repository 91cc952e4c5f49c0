// The share link of the page as it stands; app/cards/image.py asks `linked()` what the page's own address asks for.

import { request, shareAddress } from './address.js';
import { hooks } from './hooks.js';
import { get } from './store.js';

/** The address that reproduces what is shown; null for an uploaded image. */
export const shareLink = () => shareAddress(location.href, get(), hooks.view?.where() ?? null);

/** What the page's address asks of Python, as JSON; read once by the page's load event. */
export const linked = () => request(location.search, get().model.scales.length);

hooks.shareLink = shareLink;
