import { expect, test } from 'vitest';
import { parseTelegramId } from './arguments.ts';

test('a Telegram id that JSON cannot hold exactly is refused, so that no answer names another customer', () => {
  expect(parseTelegramId('9007199254740991')).toBe(9_007_199_254_740_991n);
  for (const text of ['9007199254740992', '9007199254740993', '0', '-5', '1.5', '1e3', '']) {
    expect(() => parseTelegramId(text)).toThrow('is not a Telegram id');
  }
});
