import fc from 'fast-check';
import { expect, test } from 'vitest';
import { computePercentOff, computePriceMinor, type Discount } from './price.ts';

const plain: Discount = { vip: false, discountPercent: 0 };
const vipPercent = 30;

// list price in minor units, customer, expected price
const table: readonly [why: string, list: bigint, who: Discount, vip: number, paid: bigint][] = [
  ['the plain price is the list price', 14_900n, plain, vipPercent, 14_900n],
  ['a VIP pays 30% less', 14_900n, { ...plain, vip: true }, vipPercent, 10_430n],
  ['the percent of a VIP is configurable', 14_900n, { ...plain, vip: true }, 50, 7_450n],
  ['a VIP percent of 0 is the list price', 14_900n, { ...plain, vip: true }, 0, 14_900n],
  ['the personal discount', 14_900n, { vip: false, discountPercent: 10 }, vipPercent, 13_410n],
  ['a discount of 1%', 14_900n, { vip: false, discountPercent: 1 }, vipPercent, 14_751n],
  ['a discount of 99%', 14_900n, { vip: false, discountPercent: 99 }, vipPercent, 149n],
  [
    'a discount of 100% makes it free',
    14_900n,
    { vip: false, discountPercent: 100 },
    vipPercent,
    0n,
  ],
  ['the discounts of a VIP are not added', 100n, { vip: true, discountPercent: 10 }, 30, 70n],
  ['… and the larger one counts', 100n, { vip: true, discountPercent: 90 }, 30, 10n],
  ['0.99 is rounded down to 0', 1n, { vip: false, discountPercent: 1 }, vipPercent, 0n],
  ['98.98 is rounded down to 98', 101n, { ...plain, discountPercent: 2 }, vipPercent, 98n],
  ['69.3 is rounded down to 69', 99n, { ...plain, vip: true }, vipPercent, 69n],
  ['0.7 is rounded down to 0', 1n, { ...plain, vip: true }, vipPercent, 0n],
  [
    'an amount beyond the precision of a float is exact',
    9_007_199_254_740_993n,
    { ...plain, discountPercent: 1 },
    vipPercent,
    8_917_127_262_193_583n,
  ],
];

test.for(table)('R9: %s', ([, list, who, vip, paid]) => {
  expect(computePriceMinor(list, who, vip)).toBe(paid);
});

test('R9: a price is the largest whole amount that does not exceed the exact one', () => {
  const who = fc.record({ vip: fc.boolean(), discountPercent: fc.integer({ min: 0, max: 100 }) });
  const list = fc.bigInt({ min: 1n, max: 2n ** 62n });
  fc.assert(
    fc.property(list, who, fc.integer({ min: 0, max: 100 }), (listMinor, customer, vip) => {
      const paid = computePriceMinor(listMinor, customer, vip);
      const exactTimes100 = listMinor * BigInt(100 - computePercentOff(customer, vip));
      expect(paid * 100n <= exactTimes100 && exactTimes100 < (paid + 1n) * 100n).toBe(true);
      expect(paid >= 0n && paid <= listMinor).toBe(true);
    }),
  );
});

test('R9: a customer never pays more as a VIP', () => {
  const percent = fc.integer({ min: 0, max: 100 });
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 10n ** 12n }), percent, percent, (list, own, vip) => {
      const asVip = computePriceMinor(list, { vip: true, discountPercent: own }, vip);
      expect(asVip <= computePriceMinor(list, { vip: false, discountPercent: own }, vip)).toBe(
        true,
      );
    }),
  );
});

test('R9: a larger discount never raises the price', () => {
  const percent = fc.integer({ min: 0, max: 99 });
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 10n ** 12n }), percent, (list, discountPercent) => {
      const less = computePriceMinor(
        list,
        { vip: false, discountPercent: discountPercent + 1 },
        30,
      );
      expect(less <= computePriceMinor(list, { vip: false, discountPercent }, 30)).toBe(true);
    }),
  );
});
