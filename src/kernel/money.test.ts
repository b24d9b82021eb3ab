import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageFault } from './faults.ts';
import {
  floorShare,
  isCurrency,
  majorUnits,
  minorDigits,
  moneyText,
  parseMinor,
  tryParseMinor,
} from './money.ts';

const amounts: readonly [text: string, currency: string, minor: bigint | string][] = [
  ['149', 'RUB', 14_900n],
  ['149.5', 'RUB', 14_950n],
  ['149.50', 'RUB', 14_950n],
  ['0', 'RUB', 0n],
  ['0.01', 'RUB', 1n],
  ['-3.2', 'RUB', -320n],
  ['-0', 'RUB', 0n],
  ['007', 'RUB', 700n],
  ['149', 'JPY', 149n],
  ['149', 'XTR', 149n],
  ['1.234', 'KWD', 1_234n],
  ['999999999999999.99', 'RUB', 99_999_999_999_999_999n],
  // The maximum of the column, and one more.
  ['922337203685477.5807', 'CLF', 9_223_372_036_854_775_807n],
  ['922337203685477.5808', 'CLF', 'too large; expected at most 9223372036854775807 minor units'],
  ['9223372036854775807', 'XTR', 9_223_372_036_854_775_807n],
  ['1000000000000000000000', 'RUB', 'too large; expected at most 9223372036854775807 minor units'],
  ['149.505', 'RUB', 'not an amount of RUB; expected at most 2 decimals'],
  ['149.500', 'RUB', 'not an amount of RUB; expected at most 2 decimals'],
  ['149.5', 'JPY', 'not an amount of JPY; expected no decimals'],
  ['149.5', 'XTR', 'not an amount of XTR; expected no decimals'],
  ['1.2345', 'KWD', 'not an amount of KWD; expected at most 3 decimals'],
  ...[
    '',
    '.5',
    '5.',
    '1e3',
    '1,50',
    '1 000',
    '+5',
    '--5',
    '0x10',
    'NaN',
    'Infinity',
    ' 5',
    '5 RUB',
    '٣',
  ].map((text): [string, string, string] => [
    text,
    'RUB',
    'not an amount; expected one like 149 or 149.50',
  ]),
];

test.for(amounts)('"%s" %s is %s', ([text, currency, minor]) => {
  expect(tryParseMinor(text, currency)).toEqual(
    typeof minor === 'bigint' ? { minor } : { wrong: minor },
  );
});

test('an invalid amount is refused in a sentence with its place and the expected form', () => {
  expect(parseMinor('149', 'RUB', 'AMOUNT')).toBe(14_900n);
  expect(() => parseMinor('1,5', 'RUB', 'AMOUNT')).toThrow(
    new UsageFault('bad_amount', 'AMOUNT: "1,5" is not an amount; expected one like 149 or 149.50'),
  );
});

const majors: readonly [minor: bigint, currency: string, text: string][] = [
  [14_950n, 'RUB', '149.50'],
  [14_900n, 'RUB', '149.00'],
  [5n, 'RUB', '0.05'],
  [0n, 'RUB', '0.00'],
  [-5n, 'RUB', '-0.05'],
  [-14_950n, 'RUB', '-149.50'],
  [149n, 'JPY', '149'],
  [-149n, 'XTR', '-149'],
  [0n, 'JPY', '0'],
  [1_234n, 'KWD', '1.234'],
  [9_223_372_036_854_775_807n, 'RUB', '92233720368547758.07'],
  [9_223_372_036_854_775_807n, 'XTR', '9223372036854775807'],
];

test.for(majors)('%s minor units of %s read %s', ([minor, currency, text]) => {
  expect(majorUnits(minor, currency)).toBe(text);
  expect(moneyText(minor, currency)).toBe(`${text} ${currency}`);
});

test('an amount that is written in major units is read as the same minor units', () => {
  const minor = fc.bigInt({ min: -(2n ** 63n - 1n), max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(minor, fc.constantFrom('RUB', 'USD', 'JPY', 'KWD', 'XTR'), (amount, currency) => {
      expect(tryParseMinor(majorUnits(amount, currency), currency)).toEqual({ minor: amount });
    }),
  );
});

describe('currencies', () => {
  test.for<[string, number]>([
    ['RUB', 2],
    ['USD', 2],
    ['JPY', 0],
    ['KWD', 3],
    ['XTR', 0],
  ])('%s has %d digits after the point', ([code, digits]) => {
    expect(minorDigits(code)).toBe(digits);
    expect(isCurrency(code)).toBe(true);
  });

  test.for(['', 'rub', 'RUBLE', 'ZZZ', 'RU', 'constructor'])('"%s" is not a currency', (code) => {
    expect(isCurrency(code)).toBe(false);
  });
});

describe('rounding', () => {
  test.for<[bigint, bigint, bigint, bigint]>([
    [100n, 1n, 3n, 33n],
    [200n, 1n, 3n, 66n],
    [99n, 99n, 100n, 98n],
    [100n, 0n, 3n, 0n],
    [100n, 3n, 3n, 100n],
    [0n, 1n, 3n, 0n],
  ])('R9: of %s the share %s/%s is %s', ([amount, of, whole, share]) => {
    expect(floorShare(amount, of, whole)).toBe(share);
  });

  test('R17: the parts of an amount are never more than the amount, and lose less than one unit per part', () => {
    const amount = fc.bigInt({ min: 0n, max: 10n ** 15n });
    const whole = fc.bigInt({ min: 1n, max: 10n ** 12n });
    const cut = fc.integer({ min: 0, max: 1_000 });
    fc.assert(
      fc.property(amount, whole, cut, (total, length, permille) => {
        const first = (length * BigInt(permille)) / 1_000n;
        const parts = floorShare(total, first, length) + floorShare(total, length - first, length);
        expect(parts <= total && parts > total - 2n).toBe(true);
      }),
    );
  });
});
