import assert from 'node:assert/strict';
import { test } from 'node:test';

import { doubt } from '../answer.js';
import { ANSWER } from './made.js';

test('an answer that is to be trusted is given without a doubt', () => {
  assert.equal(doubt(ANSWER), '');
  assert.equal(doubt(null), '');
});

test('a question that is not understood is said before a picture that was never seen', () => {
  const caveat = 'nano has never seen this kind of picture';
  assert.equal(doubt({ ...ANSWER, caveat }), caveat);
  const not_understood = 'This question is not understood';
  assert.equal(doubt({ ...ANSWER, caveat, not_understood }), not_understood);
});
