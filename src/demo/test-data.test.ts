import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseConfig } from '../config/config.ts';
import { hourMs, parseInstant } from '../kernel/instant.ts';
import { majorUnits, tryParseMinor } from '../kernel/money.ts';
import { computePriceMinor } from '../subscription/rules/price.ts';
import { generatedPrices, generateTestData } from './test-data.ts';

const examples = new URL('../../examples/', import.meta.url);
const now = parseInstant('2026-11-24T00:00:00Z', 'now');

test('the generator makes the example again, byte for byte', () => {
  const generator = fileURLToPath(new URL('generate-customers.ts', examples));
  const options = ['--customers', '10000', '--seed', '1', '--now', '2026-11-24T00:00:00Z'];
  const generated = execFileSync(process.execPath, [generator, ...options], { maxBuffer: 2 ** 24 });
  expect(generated.equals(readFileSync(new URL('customers-10000.csv', examples)))).toBe(true);
});

test('its prices are those of examples/perennial.yaml', () => {
  const path = fileURLToPath(new URL('perennial.yaml', examples));
  const { plans = {} } = parseConfig(readFileSync(path, 'utf8'), path);
  const sold = Object.entries(plans).flatMap(([plan, { prices }]) =>
    Object.entries(prices.RUB ?? {}).map(([days, amount]) => {
      const parsed = tryParseMinor(amount, 'RUB');
      return {
        plan,
        periodDays: Number(days),
        amountMinor: 'minor' in parsed ? parsed.minor : -1n,
      };
    }),
  );
  expect(sold).toEqual(generatedPrices);
});

test.each([500, 10_000])(
  'of %i customers about 20 subscriptions become due in each hour, a fifth short',
  (customers) => {
    const lines = [...generateTestData({ customers, seed: 42, now })];
    const due = lines.filter((line) => line.auto_renew && (line.expires_at ?? 0) > now);
    const hours = new Map<number, number>();
    for (const { expires_at } of due) {
      const hour = Math.floor((Number(expires_at) - now) / hourMs) - 6;
      hours.set(hour, (hours.get(hour) ?? 0) + 1);
    }
    const whole = [...hours].filter(([hour]) => hour > 0 && hour < hours.size - 3);
    const mean = whole.reduce((all, [, count]) => all + count, 0) / whole.length;
    expect(mean).toBeGreaterThan(18);
    expect(mean).toBeLessThan(22);
    expect(Math.min(...whole.map(([, count]) => count))).toBeGreaterThan(5);

    const short = due.filter((line) => {
      const price = generatedPrices.find(
        ({ plan, periodDays }) => plan === line.plan && periodDays === line.period_days,
      );
      const discount = { vip: line.vip, discountPercent: line.discount_percent };
      return line.balance < computePriceMinor(price?.amountMinor ?? 0n, discount, 30);
    });
    const shortShare = short.length / due.length;
    expect(shortShare).toBeGreaterThan(0.15);
    expect(shortShare).toBeLessThan(0.25);
  },
);

test('it has what a demo wants to show', () => {
  const lines = [...generateTestData({ customers: 500, seed: 1, now })];
  const count = (is: (line: (typeof lines)[number]) => boolean) => lines.filter(is).length;
  expect(new Set(lines.map((line) => line.telegram_id)).size).toBe(500);
  expect(count((line) => line.locale === 'ru')).toBeGreaterThan(200);
  expect(count((line) => line.locale === 'en')).toBeGreaterThan(100);
  expect(count((line) => line.kind === 'trial')).toBeGreaterThan(20);
  expect(count((line) => line.vip)).toBeGreaterThan(10);
  expect(count((line) => line.discount_percent > 0)).toBeGreaterThan(20);
  expect(lines.length - 500, 'families').toBeGreaterThan(20);
  expect(majorUnits(lines[0]?.balance ?? 0n, 'RUB')).toMatch(/^\d+\.\d\d$/);
});
