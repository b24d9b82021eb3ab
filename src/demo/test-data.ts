import type { FileLine } from '../import-export/columns.ts';
import type { CredentialId } from '../kernel/ids.ts';
import { dayMs, hourMs, type Instant, later, minuteMs } from '../kernel/instant.ts';
import { computePriceMinor } from '../subscription/rules/price.ts';
import {
  createRandom,
  drawBoolean,
  drawInteger,
  drawOne,
  drawToken,
  drawUuid,
  type Random,
} from './random.ts';

// Generated customers for the demo, the examples and benchmarks. The same seed and `now` give the
// same lines. About twenty subscriptions become due in each hour, and a fifth of their customers
// lack the balance.

export interface TestDataOptions {
  readonly customers: number;
  readonly seed: number;
  /** The time that "running" and "due" refer to. */
  readonly now: Instant;
}

/** Of examples/perennial.yaml: plan, days, price in kopecks. A test compares the two. */
export const generatedPrices = [
  { plan: 'basic', periodDays: 30, amountMinor: 149_00n },
  { plan: 'basic', periodDays: 90, amountMinor: 399_00n },
  { plan: 'basic', periodDays: 180, amountMinor: 749_00n },
  { plan: 'basic', periodDays: 365, amountMinor: 1_399_00n },
  { plan: 'plus', periodDays: 30, amountMinor: 299_00n },
  { plan: 'plus', periodDays: 90, amountMinor: 699_00n },
  { plan: 'plus', periodDays: 180, amountMinor: 1_199_00n },
  { plan: 'plus', periodDays: 365, amountMinor: 2_299_00n },
] as const;

/** Most pay by the month. */
const priceChoices = [0, 0, 0, 0, 0, 0, 4, 4, 4, 1, 1, 2, 3, 5, 6, 7] as const;
const vipPercent = 30;

const duePerHour = 20;
/** Of a hundred customers, subscriptions that will be renewed; see `oneOf` below. */
const renewingPerCustomer = 0.83;
/** Subscriptions become due this long before their end (design, auto-renewal). */
const windowMs = 6 * hourMs;

const regions = [
  ['ru', 'Europe/Moscow'],
  ['ru', 'Europe/Moscow'],
  ['ru', 'Europe/Moscow'],
  ['ru', 'Asia/Yekaterinburg'],
  ['ru', 'Asia/Novosibirsk'],
  ['en', 'UTC'],
  ['en', 'Europe/London'],
  ['en', 'Asia/Dubai'],
] as const;

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** A step that visits each of `count` places once: ends are spread, and not in customers' order. */
function computeStride(count: number): number {
  let stride = 7_919;
  while (greatestCommonDivisor(stride, count) !== 1) stride += 1;
  return stride;
}

type LineSubscription = Pick<
  FileLine,
  'kind' | 'plan' | 'period_days' | 'expires_at' | 'auto_renew'
>;
type Price = (typeof generatedPrices)[number];

const noSubscription: LineSubscription = {
  kind: null,
  plan: null,
  period_days: null,
  expires_at: null,
  auto_renew: null,
};

/** Lines of one customer after the other. */
export function* generateTestData({ customers, seed, now }: TestDataOptions): Generator<FileLine> {
  const random = createRandom(seed);
  const stride = computeStride(customers);
  const slotMs = (hourMs / duePerHour) * renewingPerCustomer;
  for (let index = 0; index < customers; index += 1) {
    const slot = (index * stride) % customers;
    yield* generateCustomer(
      random,
      index,
      now,
      later(now, windowMs + Math.floor((slot + random()) * slotMs)),
    );
  }
}

function* generateCustomer(
  random: Random,
  index: number,
  now: Instant,
  end: Instant,
): Generator<FileLine> {
  const [locale, time_zone] = drawOne(random, regions);
  const vip = drawBoolean(random, 4);
  const discount_percent = drawBoolean(random, 12) ? 5 * (1 + drawInteger(random, 10)) : 0;
  const { subscriptions, prices, trialUsed } = generateSubscriptions(random, now, end);
  const discountedPrices = prices.map(({ amountMinor }) =>
    computePriceMinor(amountMinor, { vip, discountPercent: discount_percent }, vipPercent),
  );
  const customer = {
    telegram_id: BigInt(500_000_000 + index * 7_919),
    locale,
    time_zone,
    currency: 'RUB',
    balance: generateBalance(random, discountedPrices),
    claim: 0n,
    vip,
    discount_percent,
    trial_used: trialUsed,
    // A few customers have the token of another panel. The others get a new one.
    sub_token: index % 20 === 0 ? drawToken(random) : null,
    blocked_reason: null,
  };
  for (const subscription of subscriptions) {
    const uuid = index % 20 === 0 && subscription.kind !== null ? drawUuid(random) : null;
    yield { ...customer, ...subscription, uuid: uuid as CredentialId | null };
  }
}

interface GeneratedSubscriptions {
  readonly subscriptions: readonly LineSubscription[];
  /** The cost of the next renewals before discounts. */
  readonly prices: readonly Price[];
  readonly trialUsed: boolean;
}

/** Of a hundred: 4 have nothing, 8 a trial, 8 one that has ended, 80 pay, 8 of these for two. */
function generateSubscriptions(random: Random, now: Instant, end: Instant): GeneratedSubscriptions {
  const kind = drawInteger(random, 100);
  if (kind < 4)
    return { subscriptions: [noSubscription], prices: [], trialUsed: drawBoolean(random, 50) };
  if (kind < 12) {
    const expires_at = later(now, minuteMs * (1 + drawInteger(random, 3 * 24 * 60)));
    const trial = { kind: 'trial', plan: 'basic', period_days: 3, expires_at, auto_renew: false };
    return { subscriptions: [trial as LineSubscription], prices: [], trialUsed: true };
  }
  const price = generatedPrices[drawOne(random, priceChoices)] as Price;
  if (kind < 20) {
    const past = later(now, -Math.floor(random() * 60 * dayMs));
    return {
      subscriptions: [toPaidSubscription(price, past, drawBoolean(random, 50))],
      prices: [price],
      trialUsed: true,
    };
  }
  const autoRenews = !drawBoolean(random, 6);
  if (!drawBoolean(random, 10)) {
    return {
      subscriptions: [toPaidSubscription(price, end, autoRenews)],
      prices: [price],
      trialUsed: true,
    };
  }
  const second = generatedPrices[drawOne(random, priceChoices)] as Price;
  const both = [
    toPaidSubscription(price, end, autoRenews),
    toPaidSubscription(second, later(end, hourMs), autoRenews),
  ];
  return { subscriptions: both, prices: [price, second], trialUsed: true };
}

function toPaidSubscription(
  price: Price,
  expires_at: Instant,
  auto_renew: boolean,
): LineSubscription {
  return { kind: 'paid', plan: price.plan, period_days: price.periodDays, expires_at, auto_renew };
}

/** A fifth are short; the others have enough for the next periods, some for many. */
function generateBalance(random: Random, prices: readonly bigint[]): bigint {
  if (prices.length === 0) return drawBoolean(random, 80) ? 0n : 100_00n;
  const needed = prices.reduce((all, price) => all + price, 0n);
  if (drawBoolean(random, 20)) {
    const cheapest = prices.reduce((a, b) => (a < b ? a : b));
    return (cheapest * BigInt(drawInteger(random, 100))) / 100n;
  }
  return needed * BigInt(1 + drawInteger(random, 3)) + BigInt(drawInteger(random, 20)) * 10_00n;
}
