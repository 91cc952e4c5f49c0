import assert from 'node:assert/strict';
import { test } from 'node:test';

import { reading } from '../uploads.js';

const ADDRESS = 'http://localhost/space/gradio_api/upload?upload_id=x';
const HTML = '<html><head><title>413 Request Entity Too Large</title></head></html>';

/**
 * What the page is given where something answers so to an upload.
 * @param {string | null} body
 * @param {number} status
 * @param {string} kind
 * @param {string} address
 */
const given = (body, status, kind = 'text/html', address = ADDRESS) =>
  reading(async () => new Response(body, { status, headers: { 'content-type': kind } }))(address, {
    method: 'POST',
  });

test('what a proxy answers to an upload is one sentence', async () => {
  for (const [status, words] of [
    [413, 'as large'],
    [502, 'did not answer'],
    [504, 'did not answer'],
    [403, '403'],
  ]) {
    const answer = await given(HTML, /** @type {number} */ (status));
    const text = await answer.text();
    assert.equal(answer.status, status);
    assert.ok(text.includes(/** @type {string} */ (words)) && !text.includes('<'), text);
  }
  assert.ok((await (await given('', 413, 'application/json')).text()).includes('as large'));
});

test('the explorer’s own sentences and what went well stay as they are', async () => {
  assert.equal(
    await (await given('The disk is full.', 507, 'text/plain; charset=utf-8')).text(),
    'The disk is full.',
  );
  assert.equal(await (await given('["/tmp/x"]', 200, 'application/json')).text(), '["/tmp/x"]');
  assert.equal(await (await given(HTML, 502, 'text/html', 'http://localhost/config')).text(), HTML);
});

test('a connection that ends in the middle is a sentence, and a stopped upload is none', async () => {
  const failing = reading(async () => {
    throw new TypeError('Failed to fetch');
  });
  assert.ok((await (await failing(ADDRESS, { method: 'POST' })).text()).includes('cut off'));
  await assert.rejects(failing(ADDRESS, { method: 'POST', signal: AbortSignal.abort() }));
  await assert.rejects(failing(ADDRESS));
});
