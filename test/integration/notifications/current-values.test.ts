import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { dayMs, hourMs, isoTime, later } from '../../../src/kernel/instant.ts';
import { createSamples } from '../../../src/notifications/texts/samples.ts';
import { type NoticeParams, noticeKinds, noticeSpecs } from '../../../src/outbox/kinds.ts';
import { changePlan } from '../../../src/subscription/commands/change-plan.ts';
import { topUp } from '../../../src/subscription/commands/top-up.ts';
import { createDatabase } from '../../support/database.ts';
import {
  chooseEnd,
  end as endOf,
  forecasts,
  now,
  type RelevanceOptions,
  relevanceOf,
} from '../../support/relevance.ts';
import { runWorker } from '../../support/shop.ts';
import {
  createCaller,
  createEarlierSubscription,
  createShortSubscriber,
  end,
  readVerdicts,
  start,
} from '../../support/warnings.ts';

// What a notice says of now is so when it is sent; what it says of then stays as it was.

/** What it says; undefined: it isn't sent. */
const renderParams = (...args: Parameters<typeof relevanceOf>): NoticeParams | undefined => {
  const decision = relevanceOf(...args);
  return decision.do === 'send' ? decision.params : undefined;
};

const anHourAgo = { createdAt: later(now, -hourMs) };

test('part of what was missing has been paid', () => {
  const forecast = { ...forecasts.short, priceMinor: 150_00n, missingMinor: 10_00n };
  const given: RelevanceOptions = {
    sub: { forecast },
    params: { missing: '149.00', price: '149.00' },
  };
  expect(renderParams('low_balance', given)).toMatchObject({ missing: '10.00', price: '150.00' });
  expect(renderParams('ends_3h', given)).toMatchObject({ missing: '10.00' });
});

test('auto-renewal was switched off: nothing is missing', () => {
  const given: RelevanceOptions = {
    sub: { forecast: forecasts.ends },
    params: { missing: '149.00' },
  };
  expect(renderParams('ends_3h', given)).toMatchObject({ missing: null, others: null });
});

test('another plan was chosen for the next period: that is what the balance is short for', () => {
  const given: RelevanceOptions = {
    sub: { plan: 'plus', periodDays: 90 },
    params: { plan: 'basic' },
  };
  expect(renderParams('low_balance', given)).toMatchObject({ plan: 'plus', period_days: 90 });
});

test('a refund and a gift say until when there is access now', () => {
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

test.each(['receipt', 'refund'] as const)('an hour late, a %s says when it was', (kind) => {
  const name = kind === 'receipt' ? 'paid_at' : 'refunded_at';
  expect(renderParams(kind, { createdAt: later(now, 1 - hourMs) })).toMatchObject({ [name]: null });
  expect(renderParams(kind, anHourAgo)).toMatchObject({ [name]: isoTime(anHourAgo.createdAt) });
});

const otherFacts: readonly RelevanceOptions['sub'][] = [
  { forecast: forecasts.ends, plan: 'plus', periodDays: 90, currency: 'EUR' },
  { forecast: { ...forecasts.short, priceMinor: 1n, missingMinor: 1n, othersMinor: 1n } },
  { expiresAt: later(now, 90 * dayMs), state: 'active' },
];
test.each(noticeKinds)('%s: nothing else that it says is changed', (kind) => {
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

test('R11: what is missing is enough, also where the balance is short for an earlier one too', async () => {
  await using database = await createDatabase({ now: start });
  const id = await createShortSubscriber(database);
  await createEarlierSubscription(database, id);
  const expected = { missing: '198.00', others: '149.00' };
  expect(await readVerdicts(database)).toMatchObject({ low_balance: { params: expected } });
  await topUp(createCaller(database), { telegramId: 1n, amountMinor: 198_00n });
  await runWorker(database, 'auto-renewal');
  const ended = await sql`
    SELECT FROM perennial.subscription WHERE expires_at <= ${end}`.execute(database.db);
  expect(ended.rows).toEqual([]);
});

test('a short balance is told of the plan that is next by now', async () => {
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
