import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { dayMs, hourMs, isoTime, later } from '../../../src/kernel/instant.ts';
import { createSamples } from '../../../src/notifications/texts/samples.ts';
import { type NoticeParams, noticeKinds, noticeSpecs } from '../../../src/outbox/kinds.ts';
import { changePlan } from '../../../src/subscription/commands/change-plan.ts';
import { createDatabase } from '../../support/database.ts';
import {
  chooseEnd,
  end as endOf,
  forecasts,
  now,
  type RelevanceOptions,
  relevanceOf,
} from '../../support/relevance.ts';
import { addBalance, createCaller, runWorker } from '../../support/shop.ts';
import {
  createEarlierSubscription,
  createShortSubscriber,
  end,
  readVerdicts,
  start,
} from '../../support/warnings.ts';

// Values of the present are current when a notification is sent, and values of its event stay.

/** The rendered params; undefined: it is not sent. */
const renderParams = (...args: Parameters<typeof relevanceOf>): NoticeParams | undefined => {
  const decision = relevanceOf(...args);
  return decision.do === 'send' ? decision.params : undefined;
};

const anHourAgo = { createdAt: later(now, -hourMs) };

test('the missing amount is the present one after a partial payment', () => {
  const forecast = { ...forecasts.short, priceMinor: 150_00n, missingMinor: 10_00n };
  const given: RelevanceOptions = {
    sub: { forecast },
    params: { missing: '149.00', price: '149.00' },
  };
  expect(renderParams('low_balance', given)).toMatchObject({ missing: '10.00', price: '150.00' });
  expect(renderParams('ends_3h', given)).toMatchObject({ missing: '10.00' });
});

test('nothing is missing after auto-renewal was switched off', () => {
  const given: RelevanceOptions = {
    sub: { forecast: forecasts.ends },
    params: { missing: '149.00' },
  };
  expect(renderParams('ends_3h', given)).toMatchObject({ missing: null, others: null });
});

test('the missing amount belongs to the plan that was chosen for the next period', () => {
  const given: RelevanceOptions = {
    sub: { plan: 'plus', periodDays: 90 },
    params: { plan: 'basic' },
  };
  expect(renderParams('low_balance', given)).toMatchObject({ plan: 'plus', period_days: 90 });
});

test('a refund and a gift name the present end of access', () => {
  const then = { params: { ends_at: isoTime(endOf) } };
  const moved = isoTime(later(endOf, dayMs));
  const sub = { expiresAt: later(endOf, dayMs) };
  expect(renderParams('refund', { ...then, sub })).toMatchObject({ ends_at: moved });
  expect(renderParams('grant', { ...then, sub })).toMatchObject({ ends_at: moved });
  expect(renderParams('refund', { ...then, sub: { state: 'expired' } })).toMatchObject({
    ends_at: null,
  });
  expect(renderParams('refund', { ...then, now: endOf })).toMatchObject({ ends_at: null });
  expect(renderParams('refund', { ...then, now: later(endOf, -1) })).toMatchObject(then.params);
});

test.each(['receipt', 'refund'] as const)(
  'an hour late, a %s names the time of its event',
  (kind) => {
    const name = kind === 'receipt' ? 'paid_at' : 'refunded_at';
    expect(renderParams(kind, { createdAt: later(now, 1 - hourMs) })).toMatchObject({
      [name]: null,
    });
    expect(renderParams(kind, anHourAgo)).toMatchObject({ [name]: isoTime(anHourAgo.createdAt) });
  },
);

const otherFacts: readonly RelevanceOptions['sub'][] = [
  { forecast: forecasts.ends, plan: 'plus', periodDays: 90, currency: 'EUR' },
  { forecast: { ...forecasts.short, priceMinor: 1n, missingMinor: 1n, othersMinor: 1n } },
  { expiresAt: later(now, 90 * dayMs), state: 'active' },
];
test.each(noticeKinds)('%s: no other value changes', (kind) => {
  const [sample = {}] = createSamples(kind);
  const fact = Object.keys(sample).filter(
    (name) => !noticeSpecs[kind].currentParams.some((each) => each === name),
  );
  const plain = renderParams(kind, { end: chooseEnd(kind) });
  for (const sub of otherFacts) {
    const params = renderParams(kind, { ...anHourAgo, end: chooseEnd(kind), ...(sub && { sub }) });
    for (const name of params === undefined ? [] : fact) {
      expect(params?.[name]).toBe(plain?.[name]);
    }
  }
});

test('R11: the missing amount is sufficient, also if the balance is too low for an earlier subscription', async () => {
  await using database = await createDatabase({ now: start });
  const id = await createShortSubscriber(database);
  await createEarlierSubscription(database, id);
  const expected = { missing: '198.00', others: '149.00' };
  expect(await readVerdicts(database)).toMatchObject({ low_balance: { params: expected } });
  await addBalance(database, 1n, 198_00n);
  await runWorker(database, 'auto-renewal');
  const ended = await sql`
    SELECT FROM perennial.subscription WHERE expires_at <= ${end}`.execute(database.db);
  expect(ended.rows).toEqual([]);
});

test('a low balance names the plan that is next now', async () => {
  await using database = await createDatabase({ now: start });
  await createShortSubscriber(database);
  await changePlan(createCaller(database), {
    telegramId: 1n,
    plan: 'plus',
    periodDays: 30,
    when: 'next',
  });
  const params = { plan: 'plus', price: '299.00', missing: '199.00' };
  expect(await readVerdicts(database)).toMatchObject({ low_balance: { params } });
});
