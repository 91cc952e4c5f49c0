import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

import { asCurl, asPython, python, quoted } from '../scripts.js';

const SHOWN = {
  server: 'https://example.org/explorer/',
  example: 'suburb',
  file: '',
  address: null,
  picture: {},
  question: 'Where\'s the "red" car?\n',
  budgets: [80, 320, 600, 2000],
  perScale: false,
  method: { importance: 'attention', seed: 3 },
  looks: 0,
  model: 'nano',
};

test('values are written as Python reads them', () => {
  assert.equal(
    python({ a: [1, null, true, 'x"\n'], b: false }),
    '{"a": [1, None, True, "x\\"\\n"], "b": False}',
  );
});

test('Python asks what the page asked', () => {
  const text = asPython(SHOWN);
  assert.match(text, /Client\("https:\/\/example.org\/explorer\/"\)/);
  assert.match(text, /image = "suburb"/);
  assert.match(text, /budget=3000,\n {4}importance="attention",\n {4}seed=3,/);
  assert.doesNotMatch(text, /handle_file|model=|looks=/);
  assert.match(asPython({ ...SHOWN, looks: 64 }), /looks=64,/);
  assert.match(asPython({ ...SHOWN, perScale: true }), /per_scale=\[80, 320, 600, 2000\]/);
  assert.match(asPython({ ...SHOWN, model: 'my/model' }), /model="my\/model"/);
});

test('an uploaded file is given first, as it is shown', () => {
  const text = asPython({ ...SHOWN, example: null, file: 'a.tif', picture: { bands: [3, 2, 1] } });
  assert.match(text, /handle_file\("a.tif"\), picture=\{"bands": \[3, 2, 1\]\}, api_name="\/ingest"/);
});

const FETCHED = { ...SHOWN, example: null, file: 'a.tif', address: "https://example.org/it's.tif" };

test('an image that was opened by its address is opened so again', () => {
  const text = asPython(FETCHED);
  assert.match(text, /predict\(address="https:\/\/example.org\/it's.tif", api_name="\/ingest"\)\["image"\]/);
  assert.doesNotMatch(text, /handle_file/);
  const [ingest, asked] = sent(asCurl({ ...FETCHED, picture: { gamma: 2 } }));
  assert.deepEqual(ingest, { address: FETCHED.address, picture: { gamma: 2 } });
  assert.equal(asked.question, SHOWN.question);
});

test('a quoted text is one word of a shell, whatever is in it', () => {
  for (const text of ["it's", '$(rm -rf /)', '"; ls', '\\', "''"]) {
    assert.equal(execFileSync('sh', ['-c', `printf %s ${quoted(text)}`]).toString(), text);
  }
});

/** What curl would send: each call of curl prints its data. @param {string} script */
function sent(script) {
  const curl = `curl() { for part in "$@"; do [ "$last" = -d ] && printf '%s\\n' "$part" >&3; last=$part; done; printf '["FILE"]'; }; `;
  return execFileSync('sh', ['-c', `exec 3>&1; ${curl} ${script.replace(/^(curl.*)$/gm, '$1 > /dev/null')}`])
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('curl sends what the page asked', () => {
  const [asked] = sent(asCurl(SHOWN));
  assert.deepEqual(asked, {
    image: 'suburb',
    question: SHOWN.question,
    budget: 3000,
    importance: 'attention',
    seed: 3,
  });
});

test('curl uploads a file first', () => {
  const [ingest, asked] = sent(asCurl({ ...SHOWN, example: null, file: "it's.tif", picture: { gamma: 2 } }));
  assert.deepEqual(ingest, {
    file: { path: 'FILE', meta: { _type: 'gradio.FileData' } },
    picture: { gamma: 2 },
  });
  assert.equal(asked.question, SHOWN.question);
});
