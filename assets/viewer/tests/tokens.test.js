import assert from 'node:assert/strict';
import { test } from 'node:test';

import { unpack, unpackImportances, unpackRanks } from '../maps.js';
import { ScaleTokens, countUpTo } from '../tokens.js';
import { countPreserved, truthOf } from '../truth.js';
import { IMAGE, fourTokens } from './made.js';

/** @type {import('../types.d.ts').Cells} */
const ALL = { rows: [0, 1], cols: [0, 1] };

test('a pixel’s red, green and blue are one number', () => {
  const abgr = (0xff << 24) | (0x03 << 16) | (0x02 << 8) | 0x01;
  assert.deepEqual([...unpack(Uint32Array.of(abgr >>> 0, 0xff000000))], [0x010203, 0]);
});

test('bit 23 of a rank is set where the token is part of an average', () => {
  const { rank, merged } = unpackRanks(Uint32Array.of(7, 7 | (1 << 23), (1 << 23) - 1));
  assert.deepEqual([...rank], [7, 7, (1 << 23) - 1]);
  assert.deepEqual([...merged], [0, 1, 0]);
});

test('importances lie between the lowest and the highest', () => {
  const values = unpackImportances(Uint32Array.of(0, 65535, 13107), { low: -1, high: 1 });
  assert.deepEqual(
    [...values].map((value) => +value.toFixed(5)),
    [-1, 1, -0.6],
  );
});

test('fates and the ledger at every budget', () => {
  const tokens = fourTokens();
  assert.deepEqual(
    [0, 1, 2].map((budget) => [0, 1, 2, 3].map((i) => tokens.fate(i, budget))),
    [
      ['dropped', 'dropped', 'dropped', 'dropped'],
      ['preserved', 'dropped', 'dropped', 'dropped'],
      ['preserved', 'merged', 'merged', 'dropped'],
    ],
  );
  assert.deepEqual(tokens.ledger(0), {
    budget: 0,
    used: 0,
    preserved: 0,
    merged: 0,
    averages: 0,
    dropped: 4,
    padding: 0,
  });
  const full = { used: 2, preserved: 1, merged: 2, averages: 1, dropped: 1, padding: 0 };
  assert.deepEqual(tokens.ledger(2), { budget: 2, ...full });
  assert.deepEqual(
    tokens.ledger(100),
    { budget: 100, ...full },
    'no more can be used up than there are places',
  );
});

test('the ledger counts what the fates say', () => {
  const tokens = fourTokens();
  for (let budget = 0; budget < 4; budget++) {
    const fates = [0, 1, 2, 3].map((i) => tokens.fate(i, budget));
    const row = tokens.ledger(budget);
    for (const fate of /** @type {const} */ (['preserved', 'merged', 'dropped'])) {
      assert.equal(row[fate], fates.filter((each) => each === fate).length);
    }
  }
});

test('padding is a kind of its own: nothing else counts it', () => {
  const { source } = fourTokens();
  const ours = new ScaleTokens(source, Uint32Array.of(1, 5, 2, 5), Uint8Array.of(0, 1, 0, 1));
  assert.deepEqual([ours.fate(1, 4), ours.fate(2, 4)], ['padding', 'preserved']);
  assert.deepEqual(ours.ledger(4), {
    budget: 4,
    used: 2,
    preserved: 2,
    merged: 0,
    averages: 0,
    dropped: 0,
    padding: 2,
  });
  const released = new ScaleTokens(source, Uint32Array.of(1, 2, 3, 4), Uint8Array.of(0, 1, 0, 1));
  const row = released.ledger(4);
  assert.deepEqual(
    [row.used, row.preserved, row.averages, row.padding],
    [4, 2, 0, 2],
    'padding that is used',
  );
});

test('members share a token’s place', () => {
  const tokens = fourTokens();
  assert.deepEqual(
    [0, 1, 2].map((i) => tokens.members(i)),
    [1, 2, 2],
  );
});

test('a rectangle of the grid', () => {
  const tokens = fourTokens();
  assert.deepEqual(tokens.inRectangle(ALL, 2), {
    tokens: 4,
    preserved: 1,
    merged: 2,
    dropped: 1,
    padding: 0,
    members: 2,
    bestRank: 1,
  });
  const corner = tokens.inRectangle({ rows: [1, 1], cols: [1, 1] }, 2);
  assert.deepEqual([corner.tokens, corner.dropped, corner.members, corner.bestRank], [1, 1, 0, 5]);
});

test('a budget reaches a region when it represents its first token', () => {
  const tokens = fourTokens();
  assert.equal(tokens.regionsReached(2), null, 'not loaded yet');
  tokens.useRegions(Uint32Array.of(8, 9, 8, 7));
  assert.deepEqual(
    [0, 1, 2, 4, 5].map((budget) => tokens.regionsReached(budget)),
    [0, 1, 2, 2, 3],
  );
});

test('counting ascending values', () => {
  const values = Uint32Array.of(1, 2, 2, 5);
  assert.deepEqual(
    [0, 1, 2, 4, 5, 9].map((limit) => countUpTo(values, limit)),
    [0, 1, 3, 3, 4, 4],
  );
  assert.equal(countUpTo(new Uint32Array(), 3), 0);
});

test('an object is preserved where one scale preserves a token of it', () => {
  const [coarse, fine] = [fourTokens(), fourTokens()];
  /** @type {{box: import('../types.d.ts').Box}[]} */
  const objects = [{ box: [100, 10, 900, 500] }, { box: [600, 10, 700, 100] }]; // all tokens, the second alone
  assert.equal(countPreserved(objects, IMAGE, [coarse, fine], [2, 2]), 1);
  assert.equal(countPreserved(objects, IMAGE, [coarse, fine], [0, 2]), 1);
  assert.equal(countPreserved(objects, IMAGE, [coarse, fine], [0, 0]), 0);
});

test('the truth of a question, whatever its case and the spaces around it', () => {
  assert.equal(truthOf(IMAGE, '  how many SHIPS? ')?.answer, 'two');
  assert.equal(truthOf(IMAGE, 'How many cars?'), null);
  assert.equal(truthOf(null, 'How many ships?'), null);
});
