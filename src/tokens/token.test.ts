import { expect, test } from 'vitest';
import {
  generateToken,
  hashToken,
  hasScope,
  isSameHash,
  isTokenName,
  parseTokenId,
  tokenScopes,
} from './token.ts';

test('a token carries its name, and a checksum that a slip of the pen breaks', () => {
  const { text, id, hash } = generateToken();
  expect(text).toMatch(/^prn_[0-9A-Za-z]{46}$/);
  expect(parseTokenId(text)).toBe(id);
  expect(isSameHash(hash, hashToken(text))).toBe(true);
  for (let place = 4; place < text.length; place += 1) {
    const other = text[place] === 'A' ? 'B' : 'A';
    const slip = `${text.slice(0, place)}${other}${text.slice(place + 1)}`;
    expect(parseTokenId(slip), slip).toBeUndefined();
  }
});

test.for(['', 'prn_', 'Bearer x', `prn_${'0'.repeat(46)}`, `prn_${'0'.repeat(47)}`])(
  '"%s" is no token',
  (text) => {
    expect(parseTokenId(text)).toBeUndefined();
  },
);

test('no two tokens are alike', () => {
  const made = Array.from({ length: 1_000 }, () => generateToken());
  expect(new Set(made.map(({ text }) => text)).size).toBe(1_000);
  expect(new Set(made.map(({ id }) => id)).size).toBe(1_000);
});

test('a higher scope may do what a lower one may, and not the other way round', () => {
  const ranked = ['read', 'sell', 'admin'] as const;
  for (const [index, held] of ranked.entries()) {
    for (const [at, wanted] of ranked.entries()) expect(hasScope([held], wanted)).toBe(index >= at);
  }
  expect(hasScope([], 'read')).toBe(false);
});

test('the scope `metrics` gives the figures alone, and each other scope gives them, too', () => {
  for (const scope of tokenScopes) {
    expect(hasScope([scope], 'metrics')).toBe(true);
    expect(hasScope(['metrics'], scope)).toBe(scope === 'metrics');
  }
  expect(hasScope([], 'metrics')).toBe(false);
});

test.for([
  ['shop', true],
  ['Магазин №1, bot-2 (test)', true],
  ['فروشگاه', true],
  ['', false],
  [' shop', false],
  ['shop ', false],
  ['two  spaces', false],
  ['line\nbreak', false],
  ['\u001b[31mred', false],
  ['zero\u200bwidth', false],
  ['right\u202eleft', false],
  ['x'.repeat(64), true],
  ['x'.repeat(65), false],
] as const)('the name %j is printable: %s', ([name, isPrintable]) => {
  expect(isTokenName(name)).toBe(isPrintable);
});
