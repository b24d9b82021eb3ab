import { expect, test } from 'vitest';
import {
  foreignName,
  foreignText,
  foreignTextMax,
  terminalJson,
  terminalText,
} from './foreign-text.ts';

test.each([
  ['letters of any language stay', 'Ошибка: نود пуст', 'Ошибка: نود пуст'],
  [
    'an escape sequence loses its escape',
    'a\u001b[31mred\u001b]0;title\u0007',
    'a�[31mred�]0;title�',
  ],
  ['C1 controls are replaced', 'a\u009b31mb', 'a�31mb'],
  ['line ends are replaced once', 'a\r\nb\u2028c\u2029d', 'a�b�c�d'],
  ['NUL and DEL are replaced', 'a\0b\u007f', 'a�b�'],
  ['changes of the direction of writing are replaced', 'a\u202e\u2066b\u200f', 'a�b�'],
  ['halves of characters are replaced', 'a\ud800b\udc00', 'a�b�'],
  ['an empty text stays empty', '', ''],
])('%s', (_, text, expected) => {
  expect(foreignText(text)).toBe(expected);
});

test('a text of 300 characters stays, and a longer text loses its middle', () => {
  const whole = 'x'.repeat(foreignTextMax);
  expect(foreignText(whole)).toBe(whole);
  const long = `begin ${'x'.repeat(63_000)} end`;
  expect(foreignText(long)).toMatch(/^begin x+ … x+ end$/);
  expect(foreignText(long)).toHaveLength(foreignTextMax);
});

test('the cut splits no character', () => {
  for (let shift = 0; shift < 4; shift += 1) {
    const text = foreignText(`${'x'.repeat(shift)}${'😀'.repeat(400)}`);
    expect(text.length).toBeLessThanOrEqual(foreignTextMax);
    expect(text.isWellFormed()).toBe(true);
  }
});

test('a name that fits stays exact', () => {
  expect(foreignName('acme-1')).toBe('acme-1');
});

test('changed names stay different, and none of them equals a real name', () => {
  const long = 'n'.repeat(400);
  const names = ['a\u200b', 'a\u200c', 'a', `${long}1`, `${long}2`, `a${'\u0007'.repeat(999)}`];
  const read = names.map(foreignName);
  expect(new Set(read).size).toBe(names.length);
  expect(read.filter((name) => names.includes(name))).toEqual(['a']);
  for (const name of read) expect(name.length).toBeLessThanOrEqual(foreignTextMax);
});

test('no stored value changes the state of a terminal, in text or in JSON', () => {
  const hostile = 'a\u001b[2J\u009b31m\u202eb\rc';
  expect(terminalText(`${hostile}\nnext`)).toBe('a\ufffd[2J\ufffd31m\ufffdb\ufffdc\nnext');
  const json = terminalJson(JSON.stringify({ a: hostile }, null, 2));
  expect(json).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  expect(JSON.parse(json)).toEqual({ a: hostile });
  expect(terminalText('👩‍💻 نود')).toBe('👩‍💻 نود');
});
