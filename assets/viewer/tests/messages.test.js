import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

const SCRIPTS = new URL('../', import.meta.url);

test('no script listens to other windows, and what is sent to one is for Hugging Face alone', () => {
  const sent = [];
  for (const name of readdirSync(SCRIPTS).filter((file) => file.endsWith('.js'))) {
    const text = readFileSync(new URL(name, SCRIPTS), 'utf8');
    assert.doesNotMatch(text, /(addEventListener|\bon)\(\s*['"`]message|\bonmessage\b/, name);
    sent.push(...(text.match(/postMessage\([^;]*;/g) ?? []));
  }
  assert.equal(sent.length, 1);
  assert.match(sent[0], /, SPACES\);$/);
});
