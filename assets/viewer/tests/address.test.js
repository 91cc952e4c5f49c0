import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  arrival,
  pageAddress,
  parameters,
  parseBudget,
  parseLooks,
  parseNumbers,
  request,
  shareAddress,
} from '../address.js';
import { isNext } from '../history.js';
import { pageOf } from '../pages.js';
import { stepOf } from '../tour.js';
import { ANSWER, IMAGE } from './made.js';

/** @type {import('../address.js').Shared} */
const SHARED = {
  image: IMAGE,
  question: 'How many ships & boats?',
  budget: { total: 3000, perScale: null },
  looks: 0,
  layer: 'fate',
  scale: 4032,
  box: [1, 2, 3, 4],
  answer: ANSWER,
};

/** @param {Partial<import('../address.js').Shared>} [changes] */
function share(changes = {}) {
  const address = shareAddress(
    'http://here/sub/?tab=findings&__theme=dark&q=old',
    { ...SHARED, ...changes },
    [10, 20, -0.25],
  );
  return address == null ? null : new URL(address);
}

test('a link holds example, question, budget, method and view, and nothing else of the visitor’s address', () => {
  const address = share();
  assert.equal(address?.pathname, '/sub/');
  assert.deepEqual(Object.fromEntries(address?.searchParams ?? []), {
    example: 'airfield',
    q: 'How many ships & boats?',
    budget: '3000',
    importance: 'fused',
    seed: '3',
    layer: 'fate',
    scale: '4032',
    view: '10,20,-0.25',
    box: '1,2,3,4',
    ask: '1',
  });
});

test('the address bar keeps what is others’, as a private Space’s token', () => {
  const address = new URL(pageAddress('http://here/?__sign=secret&q=old&tab=findings', SHARED, null));
  assert.equal(address.searchParams.get('__sign'), 'secret');
  assert.equal(address.searchParams.get('q'), SHARED.question);
  assert.equal(address.searchParams.has('tab'), false);
  const upload = pageAddress(
    'http://here/?q=old&x=1',
    { ...SHARED, image: { ...IMAGE, example: null } },
    null,
  );
  assert.equal(upload, 'http://here/?x=1');
});

test('another image or question is an entry of its own, another budget is not', () => {
  const airfield = { image: 'airfield', question: 'Where?' };
  assert.equal(isNext(null, airfield), false);
  assert.equal(isNext(airfield, { ...airfield }), false);
  assert.equal(isNext({ image: 'airfield', question: null }, airfield), false, 'it is asked now');
  assert.equal(isNext(airfield, { image: 'airfield', question: 'What?' }), true);
  assert.equal(isNext(airfield, { image: 'suburb', question: null }), true);
});

test('a link leads to a step of the tour', () => {
  assert.equal(stepOf('?tour=3'), 2);
  for (const search of ['', '?tour=0', '?tour=6', '?tour=x', '?tour=1.5']) assert.equal(stepOf(search), null);
});

test('what is not there is left out, and an uploaded image has no link', () => {
  const address = share({ box: null, answer: null });
  assert.deepEqual(
    ['box', 'ask', 'importance', 'seed'].filter((key) => address?.searchParams.has(key)),
    [],
  );
  assert.equal(share({ image: { ...IMAGE, example: null } }), null);
  assert.equal(share({ image: null }), null);
});

test('a link leads back to what it was made of', () => {
  const search = share({ budget: { total: 10, perScale: [1, 2, 3, 4] } })?.search ?? '';
  assert.deepEqual(JSON.parse(request(search, 4)), {
    example: 'airfield',
    picture: null,
    question: 'How many ships & boats?',
    method: { importance: 'fused', regions: null, order: null, seed: '3' },
    budget: { per_scale: [1, 2, 3, 4] },
    looks: 0,
  });
  assert.deepEqual(arrival(parameters(search) ?? {}), {
    example: 'airfield',
    question: 'How many ships & boats?',
    layer: 'fate',
    scale: 4032,
    view: [10, 20, -0.25],
    box: [1, 2, 3, 4],
    ask: true,
  });
});

test('a link says how many looks there are, and the numbers of the native scales', () => {
  const address = share({ looks: 64, budget: { total: 15, perScale: [1, 2, 3, 4, 5] } });
  assert.equal(address?.searchParams.get('looks'), '64');
  const { looks, budget } = JSON.parse(request(address?.search ?? '', 4));
  assert.deepEqual([looks, budget], [64, { per_scale: [1, 2, 3, 4, 5] }]);
  assert.equal(share()?.searchParams.has('looks'), false);
  for (const wrong of [undefined, '', '0', '-1', '1.5', '1e3', '0x9', '9999999']) {
    assert.equal(parseLooks(wrong), 0);
  }
});

test('a link says how the picture is shown where that was chosen', () => {
  const chosen = { bands: [3, 2, 1], gamma: 1.5, nodata: null };
  const search = share({ image: { ...IMAGE, picture: { ...IMAGE.picture, chosen } } })?.search ?? '';
  assert.deepEqual(JSON.parse(request(search, 4)).picture, chosen);
  assert.equal(JSON.parse(request('?example=a&picture={', 4)).picture, null);
});

test('an address without a link’s parameters asks for nothing', () => {
  assert.equal(parameters('?tab=findings&__theme=dark'), null);
  assert.equal(request('', 4), '');
});

test('the method of an example is its own unless the link says one or asks', () => {
  assert.equal(JSON.parse(request('?example=a', 4)).method, null);
  assert.deepEqual(JSON.parse(request('?example=a&ask=1', 4)).method, {
    importance: null,
    regions: null,
    order: null,
    seed: null,
  });
});

test('a budget is a total or as many numbers as there are scales', () => {
  assert.deepEqual(parseBudget('3000', 4), { total: 3000 });
  assert.deepEqual(parseBudget('80-320-600-2000', 4), { per_scale: [80, 320, 600, 2000] });
  assert.deepEqual(parseBudget('80-320', 2), { per_scale: [80, 320] });
  for (const wrong of [undefined, '', 'x', '1-2', '1-2-3-x']) assert.equal(parseBudget(wrong, 4), null);
});

test('numbers that do not fit are refused', () => {
  assert.deepEqual(parseNumbers('1,-2,0.5', 3), [1, -2, 0.5]);
  for (const wrong of [null, undefined, '', '1,2', '1,2,x', '1,2,Infinity']) {
    assert.equal(parseNumbers(wrong, 3), null);
  }
});

test('a link to nowhere is harmless', () => {
  const nothing = arrival({ layer: 'secret', scale: 'x', view: '1,2', box: 'a,b,c,d', ask: 'yes' });
  assert.deepEqual(nothing, {
    example: null,
    question: null,
    layer: null,
    scale: NaN,
    view: null,
    box: null,
    ask: false,
  });
});

test('the page of an address', () => {
  assert.equal(pageOf('?tab=findings'), 'findings');
  assert.equal(pageOf('?tab=toString'), 'explore');
  assert.equal(pageOf(''), 'explore');
});
