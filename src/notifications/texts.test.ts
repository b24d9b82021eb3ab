import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseInstant } from '../kernel/instant.ts';
import { type NoticeParams, noticeKinds, noticeSpecs } from '../outbox/kinds.ts';
import { checkHtml } from './texts/html.ts';
import { createSamples, sampleTitle } from './texts/samples.ts';
import { openTexts, type RenderRequest } from './texts.ts';

const texts = openTexts();
const now = parseInstant('2026-11-25T12:00:00Z', 'the test');
const reader = (locale: string, timeZone = 'Europe/Moscow') => ({ locale, timeZone, now });
const createRequest = (params: NoticeParams, more: Partial<RenderRequest> = {}): RenderRequest => ({
  kind: 'receipt',
  params: { ...createSamples('receipt')[0], ...params },
  planTitle: sampleTitle,
  ...more,
});
const receipt = (locale: string, params: NoticeParams, zone?: string) =>
  texts.render(createRequest(params), reader(locale, zone)).plain;

describe.each(['en', 'ru'])('in %s', (locale) => {
  test.each(noticeKinds)('%s has a text in each of its forms', (kind) => {
    for (const params of createSamples(kind)) {
      const { html, plain, subject, ...more } = texts.render(
        { kind, params, planTitle: sampleTitle },
        reader(locale),
      );
      expect(more.locale).toBe(locale);
      expect(checkHtml(html)).toBeUndefined();
      // No unresolved placeable, no missing value, and no English word in Russian.
      for (const text of [plain, subject]) {
        expect(text).not.toMatch(/[{}$]|none|undefined|null|NaN/);
        if (locale === 'ru' && noticeSpecs[kind].to === 'customer' && kind !== 'announcement')
          expect(text).not.toMatch(/[a-z]{2}/i);
      }
      expect(subject).not.toMatch(/[<>\n]/);
    }
  });
});

describe('values have the format of the reader', () => {
  test.each([
    ['en', 1, '1 day.'],
    ['en', 30, '30 days.'],
    ['ru', 1, '1 день.'],
    ['ru', 21, '21 день.'],
    ['ru', 3, '3 дня.'],
    ['ru', 30, '30 дней.'],
    ['ru', 11, '11 дней.'],
  ])('plurals in %s: %i', (locale, period_days, expected) => {
    expect(receipt(locale, { period_days })).toContain(expected);
  });

  test.each([
    ['ru', '149.00', 'RUB', 'Оплачено: 149 ₽'],
    ['ru', '1399.50', 'RUB', 'Оплачено: 1 399,50 ₽'],
    ['en', '149.50', 'RUB', '₽149.50 paid'],
    ['en', '4.99', 'USD', '$4.99 paid'],
    ['en', '5.00', 'USD', '$5 paid'],
    ['en', '500', 'JPY', '¥500 paid'],
    ['en', '250', 'XTR', '250 ⭐ paid'],
    ['en', '92233720368547758.07', 'RUB', '₽92,233,720,368,547,758.07 paid'],
  ])('money in %s: %s %s', (locale, amount, currency, expected) => {
    expect(receipt(locale, { amount, currency }).replaceAll(/[\u00a0\u202f]/g, ' ')).toContain(
      expected,
    );
  });

  test.each([
    ['en', 'Europe/Moscow', '2026-12-28T22:30:00.000Z', 'until 29 December, 01:30.'],
    ['en', 'America/New_York', '2026-12-28T22:30:00.000Z', 'until 28 December, 17:30.'],
    ['en', 'UTC', '2026-12-28T22:30:00.000Z', 'until 28 December, 22:30 UTC.'],
    ['en', 'Nowhere/At_All', '2026-12-28T22:30:00.000Z', 'until 28 December, 22:30 UTC.'],
    ['en', 'Europe/Berlin', '2027-01-28T22:30:00.000Z', 'until 28 January 2027, 23:30.'],
    ['ru', 'Europe/Moscow', '2027-01-28T22:30:00.000Z', 'до 29 января 2027 г., 01:30.'],
    ['ru', 'Europe/Moscow', '2026-12-31T21:00:00.000Z', 'до 1 января 2027 г., 00:00.'],
  ])('times in %s, %s', (locale, zone, ends_at, expected) => {
    expect(receipt(locale, { ends_at }, zone)).toContain(expected);
  });

  test.each([
    ['ru', sampleTitle, 'Базовый'],
    ['ru-RU', sampleTitle, 'Базовый'],
    ['ru', { en: 'Basic' }, 'Basic'],
    ['en', { de: 'Einfach' }, 'Einfach'],
    ['en', {}, 'basic'],
    ['en', null, 'basic'],
  ])("the plan's title in %s of %j", (locale, planTitle, expected) => {
    expect(texts.render(createRequest({}, { planTitle }), reader(locale)).plain).toContain(
      expected,
    );
  });

  test.each([
    ['de', 'en'],
    ['ru-RU', 'ru'],
    ['en-US', 'en'],
  ])('a reader of %s gets texts in %s', (locale, expected) => {
    expect(texts.render(createRequest({}), reader(locale)).locale).toBe(expected);
  });

  test('a long error is shortened, and control characters are not sent', () => {
    const error = `a\u0007b${'я'.repeat(10_000)}`;
    const { plain } = texts.render(
      { kind: 'alarm_worker', params: { worker: 'w', failures: 3, error } },
      reader('en'),
    );
    expect(plain).toContain('a b');
    expect(plain.length).toBeLessThan(700);
  });
});

test('any stored row has a text, and none of its values becomes HTML', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('<b>', '</b>', '"><a href="http://x', '&lt;', '<script>', '{ $x }', '0', '-1'),
    fc.integer(),
    fc.double(),
    fc.constant(null),
    fc.constantFrom(
      'RUB',
      'XTR',
      'rub',
      '2026-11-25T12:00:00.000Z',
      '9999-12-31T23:59:59.999Z',
      '149.50',
      'infinity',
    ),
  );
  const property = fc.property(
    fc.constantFrom(...noticeKinds),
    fc.infiniteStream(value),
    fc.constantFrom('en', 'ru', 'xx', '', '-', 'ru-RU-RU'),
    fc.constantFrom('UTC', 'Europe/Moscow', '', 'x'),
    fc.oneof(fc.constant(null), fc.dictionary(fc.constantFrom('en', 'ru'), fc.string())),
    (kind, values, locale, timeZone, planTitle) => {
      const params = Object.fromEntries(
        Object.keys(noticeSpecs[kind].params).map((name) => [name, values.next().value as string]),
      );
      const { html, plain, subject } = texts.render(
        { kind, params, planTitle },
        { locale, timeZone },
      );
      expect(checkHtml(html)).toBeUndefined();
      const tags = [...html.matchAll(/<[^>]*>/g)].map(([tag]) => tag);
      expect(tags.filter((tag) => !/^<\/?(b|code)>$/.test(tag))).toEqual([]);
      expect(plain.length).toBeLessThanOrEqual(4_096);
      expect(subject).not.toContain('\n');
    },
  );
  fc.assert(property, { numRuns: 500 });
});
