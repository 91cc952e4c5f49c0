// What a proxy before the page answers to an upload, as one sentence: Gradio shows an answer's text as it is, HTML too.

const UPLOAD = '/gradio_api/upload';
const TOO_LARGE = 'The server takes no file as large as this one: compress it or cut it into parts.';
const NO_ANSWER = 'The server did not answer: try again in a moment.';
const CUT_OFF =
  'The upload was cut off: check the connection, and whether a server before this page limits the size.';

/**
 * The sentence for an upload's answer that is none of the explorer's own.
 * @param {number} status
 */
export function sentence(status) {
  if (status === 413) return TOO_LARGE;
  if (status >= 500) return NO_ANSWER;
  return `The server refused the upload with status ${status}: try again, or another file.`;
}

/**
 * An upload's answer as it can be shown: the explorer's own sentences are plain text and stay.
 * @param {Response} answer
 */
export function readable(answer) {
  const plain = (answer.headers.get('content-type') ?? '').startsWith('text/plain');
  return answer.ok || plain ? answer : inPlainText(sentence(answer.status), answer.status);
}

/**
 * `fetch`, whose answers to uploads can be shown whatever they are.
 * @param {typeof fetch} fetched
 * @returns {typeof fetch}
 */
export function reading(fetched) {
  return async (input, options) => {
    if (options?.method !== 'POST' || !addressOf(input).pathname.endsWith(UPLOAD))
      return fetched(input, options);
    try {
      return readable(await fetched(input, options));
    } catch (error) {
      if (options.signal?.aborted) throw error;
      return inPlainText(CUT_OFF, 502);
    }
  };
}

/** From now on, uploads of this page that a proxy refuses end in a sentence. */
export function readUploads() {
  window.fetch = reading(window.fetch.bind(window));
}

/** @param {RequestInfo | URL} input */
const addressOf = (input) => new URL(input instanceof Request ? input.url : input, document.baseURI);

/**
 * @param {string} text
 * @param {number} status
 */
const inPlainText = (text, status) =>
  new Response(text, { status, headers: { 'content-type': 'text/plain' } });
