import fc from 'fast-check';
import { day, hour, minute } from '../../support/customer-model.ts';
import type { Command, SubscriptionChoice } from './commands.ts';
import { firstPrices, periods, plans } from './prices.ts';

// Random sequences, and their text in a report. Indexes are arbitrary numbers, taken modulo the
// number of existing items at their turn. So a sequence stays valid when it shrinks.

export type Act =
  | { readonly act: 'command'; readonly customer: number; readonly command: Command }
  /** An earlier command of the customer, repeated with its key. */
  | { readonly act: 'repeat'; readonly customer: number; readonly nth: number }
  /** A payment of the customer moves to the other customer. */
  | { readonly act: 'move'; readonly customer: number; readonly nth: number; withClaim: boolean }
  | { readonly act: 'run'; readonly batchMax: number };

export type Step =
  /** Concurrent acts, each on a separate connection. */
  | { readonly step: 'group'; readonly acts: readonly Act[] }
  | { readonly step: 'clock'; readonly byMs: number }
  /** A step within the tolerance of the sentinel. */
  | { readonly step: 'clock-slip'; readonly byMs: number }
  /** To a time near the end of a subscription, where rules change their decision. */
  | {
      readonly step: 'clock-near-end';
      readonly customer: number;
      readonly sub: number;
      readonly byMs: number;
    }
  | {
      readonly step: 'price';
      readonly plan: string;
      readonly days: number;
      readonly amount: number | null;
      readonly inMs: number;
    };

export interface Sequence {
  readonly customers: number;
  readonly steps: readonly Step[];
}

const flag = fc.boolean();
/** Few payments, so that one arrives twice, is charged back twice, and is found. */
const payment = fc.nat({ max: 4 }).map(String);
const place = fc.nat({ max: 5 });
const plan = fc.constantFrom(...plans);
const days = fc.constantFrom(...periods);
const which: fc.Arbitrary<SubscriptionChoice> = fc.oneof(
  { weight: 5, arbitrary: place },
  { weight: 2, arbitrary: fc.constant<SubscriptionChoice>('default') },
);
const whichOrNew: fc.Arbitrary<SubscriptionChoice> = fc.oneof(
  { weight: 3, arbitrary: which },
  { weight: 2, arbitrary: fc.constant<SubscriptionChoice>('new') },
);
const part = fc.constantFrom('whole', 'unused');
/** From one kopeck to the most expensive month. */
const money = fc.oneof(
  fc.integer({ min: 1, max: 32_000 }),
  fc.constantFrom(701, 3_999, 14_901, 29_907),
);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const commands: readonly [weight: number, fc.Arbitrary<Command>][] = [
  [
    5,
    fc
      .record({ do: fc.constant('top-up'), amount: money, payment: optional(payment) })
      .map(removeUndefined),
  ],
  [2, fc.record({ do: fc.constant('chargeback'), payment, dispute: payment })],
  [1, fc.record({ do: fc.constant('notify'), sub: place, amount: money })],
  [
    6,
    fc
      .record({
        do: fc.constant('purchase'),
        plan,
        days,
        sub: whichOrNew,
        autoRenew: optional(flag),
        pay: fc.option(fc.record({ amount: money, payment }), { nil: undefined, freq: 3 }),
      })
      .map(removeUndefined),
  ],
  [
    3,
    fc.record({
      do: fc.constant('refund'),
      period: place,
      part,
      keepAutoRenew: flag,
      payout: fc.constantFrom(false, false, true),
    }),
  ],
  [
    2,
    fc.record({
      do: fc.constant('change-plan'),
      plan,
      days,
      sub: which,
      when: fc.constantFrom('next', 'now'),
      forfeit: flag,
    }),
  ],
  [1, fc.record({ do: fc.constant('set'), discount: fc.integer({ min: 0, max: 100 }) })],
  [1, fc.record({ do: fc.constant('set'), vip: flag })],
  [1, fc.record({ do: fc.constant('adjust'), amount: fc.integer({ min: -9_000, max: 9_000 }) })],
  [
    3,
    fc.record({
      do: fc.constant('grant'),
      days: fc.integer({ min: 1, max: 9 }),
      sub: whichOrNew,
      plan,
    }),
  ],
  [
    1,
    fc
      .record({ do: fc.constant('revoke'), sub: which, refund: optional(part) })
      .map(removeUndefined),
  ],
  [2, fc.record({ do: fc.constant('reissue'), sub: which })],
  [2, fc.record({ do: fc.constant('auto-renew'), sub: which, on: flag })],
  [1, fc.constant<Command>({ do: 'trial' })],
  [1, fc.constant<Command>({ do: 'block' })],
  // More often than a block, so that few commands are refused.
  [3, fc.constant<Command>({ do: 'unblock' })],
  [2, fc.constant<Command>({ do: 'expire' })],
] as [number, fc.Arbitrary<Command>][];

/** Removes undefined fields, because `autoRenew: undefined` differs from an absent field. */
function removeUndefined<T extends object>(command: T): T {
  return Object.fromEntries(
    Object.entries(command).filter(([, value]) => value !== undefined),
  ) as T;
}

const customer = fc.nat({ max: 1 });
const command = fc.oneof(...commands.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const commandAct: fc.Arbitrary<Act> = fc.record({ act: fc.constant('command'), customer, command });
const runAct: fc.Arbitrary<Act> = fc.record({
  act: fc.constant('run'),
  batchMax: fc.constantFrom(1_000, 1, 2),
});
const repeatAct: fc.Arbitrary<Act> = fc.record({
  act: fc.constant('repeat'),
  customer,
  nth: place,
});
const moveAct: fc.Arbitrary<Act> = fc.record({
  act: fc.constant('move'),
  customer,
  nth: place,
  withClaim: flag,
});
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 1, arbitrary: moveAct },
  { weight: 10, arbitrary: commandAct },
  { weight: 1, arbitrary: repeatAct },
  { weight: 3, arbitrary: runAct },
);

const createTogetherStep = (acts: fc.Arbitrary<Act[]>): fc.Arbitrary<Step> =>
  acts.map((some) => ({ step: 'group', acts: some }));

/**
 * Times before and after each boundary: due, ended, a whole period late, too late for a revival.
 */
const nearMs = [-6 * hour, -hour, 0, day, 7 * day, 30 * day].flatMap((at) => [at - 1, at, at + 1]);

const createClockNearStep = (byMs: readonly number[]): fc.Arbitrary<Step> =>
  fc.record({
    step: fc.constant('clock-near-end'),
    customer,
    sub: place,
    byMs: fc.constantFrom(...byMs),
  });

const oneStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: createTogetherStep(commandAct.map((one) => [one])) },
  { weight: 1, arbitrary: createTogetherStep(repeatAct.map((one) => [one])) },
  { weight: 1, arbitrary: createTogetherStep(moveAct.map((one) => [one])) },
  { weight: 6, arbitrary: createTogetherStep(fc.array(act, { minLength: 2, maxLength: 4 })) },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant('clock'),
      byMs: fc.oneof(
        fc.integer({ min: -2 * hour, max: 12 * hour }),
        fc.integer({ min: 0, max: 40 }).map((count) => count * day + minute),
      ),
    }),
  },
  { weight: 2, arbitrary: createClockNearStep(nearMs) },
  {
    weight: 1,
    arbitrary: fc.record({
      step: fc.constant('clock-slip'),
      byMs: fc.integer({ min: -minute, max: minute }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant('price'),
      plan,
      days,
      amount: fc.option(fc.integer({ min: 1, max: 30_000 }), { nil: null }),
      inMs: fc.constantFrom(0, 0, hour, -hour),
    }),
  },
);

/** Moves the clock to a due time, and runs the worker, alone or among other acts. */
const dueThenRun: fc.Arbitrary<Step[]> = fc.tuple(
  fc.oneof(
    { weight: 3, arbitrary: createClockNearStep(nearMs.slice(0, 9)) },
    { weight: 2, arbitrary: createClockNearStep(nearMs) },
  ),
  fc.oneof(
    { weight: 3, arbitrary: createTogetherStep(runAct.map((one) => [one])) },
    {
      weight: 2,
      arbitrary: createTogetherStep(
        fc.tuple(runAct, fc.array(act, { minLength: 1, maxLength: 3 })).map((some) => some.flat()),
      ),
    },
  ),
);

/**
 * Customers with money and running subscriptions, often several with one end. Most acts need both.
 */
const firstSteps: fc.Arbitrary<Step[]> = fc
  .record({
    who: customer,
    amount: money,
    plan,
    days,
    count: fc.constantFrom(1, 2, 2, 3),
    apartMs: fc.constantFrom(0, minute, 2 * hour),
    gift: fc.constantFrom(0, 0, 3),
    payment: optional(payment),
  })
  .map(({ who: buyer, amount, plan: key, days: length, count, apartMs, gift, payment: paid }) => {
    const first = amount + count * (findFirstPrice(key, length) ?? 701);
    const topUpCommand: Command = { do: 'top-up', amount: first, ...(paid && { payment: paid }) };
    const grantCommand: Command = { do: 'grant', days: gift, sub: 0, plan: key };
    const purchaseCommand: Command = { do: 'purchase', plan: key, days: length, sub: 'new' };
    const apart: Step[] = apartMs === 0 ? [] : [{ step: 'clock', byMs: apartMs }];
    return [
      createCommandStep(buyer, topUpCommand),
      ...Array.from({ length: count }, () => [
        createCommandStep(buyer, purchaseCommand),
        ...apart,
      ]).flat(),
      ...(gift === 0 ? [] : [createCommandStep(buyer, grantCommand)]),
    ];
  });

const findFirstPrice = (key: string, length: number) =>
  firstPrices.find((price) => price.plan === key && price.days === length)?.amount;

function createCommandStep(customerNumber: number, wantedCommand: Command): Step {
  return {
    step: 'group',
    acts: [{ act: 'command', customer: customerNumber, command: wantedCommand }],
  };
}

/** A new customer with a trial, and with money for a purchase after it. */
const trialSteps: fc.Arbitrary<Step[]> = fc
  .record({ who: customer, amount: money })
  .map(({ who: buyer, amount }) => [
    createCommandStep(buyer, { do: 'top-up', amount }),
    createCommandStep(buyer, { do: 'trial' }),
  ]);

export const sequences: fc.Arbitrary<Sequence> = fc
  .record({
    customers: fc.constantFrom(1, 1, 2),
    begin: fc.array(
      fc.oneof({ weight: 4, arbitrary: firstSteps }, { weight: 1, arbitrary: trialSteps }),
      { minLength: 1, maxLength: 2 },
    ),
    steps: fc.array(
      fc.oneof(
        { weight: 3, arbitrary: oneStep.map((one) => [one]) },
        { weight: 2, arbitrary: dueThenRun },
      ),
      { maxLength: 12, size: 'max' },
    ),
  })
  .map(({ customers, begin, steps }) => {
    const sequence = { customers, steps: [...begin, ...steps].flat() };
    return { ...sequence, [fc.toStringMethod]: () => `a sequence:\n${formatSequence(sequence)}` };
  });

const formatSpan = (ms: number): string =>
  ms % day === 0 ? `${ms / day} d` : ms % hour === 0 ? `${ms / hour} h` : `${ms} ms`;

function formatSequence({ customers, steps }: Sequence): string {
  const lines = [`${customers} customer(s)`, ...steps.map(formatStep)];
  return lines.map((line, n) => `  ${n}. ${line}`).join('\n');
}

function formatStep(one: Step): string {
  switch (one.step) {
    case 'clock':
      return `the clock moves by ${formatSpan(one.byMs)}`;
    case 'clock-slip':
      return `the clock steps back by ${formatSpan(one.byMs)}`;
    case 'clock-near-end':
      return `the clock goes to ${formatSpan(one.byMs)} from the end of customer ${one.customer}'s subscription ${one.sub}`;
    case 'price':
      return `${one.plan} ${one.days} d costs ${one.amount ?? 'an unknown amount'} in ${formatSpan(one.inMs)}`;
    case 'group':
      return one.acts.map(formatAct).join('  |  at once:  ');
  }
}

function formatAct(one: Act): string {
  if (one.act === 'run') return `auto-renewal runs, batches of ${one.batchMax}`;
  if (one.act === 'repeat') return `customer ${one.customer}: command ${one.nth} again`;
  if (one.act === 'move') return `customer ${one.customer}: payment ${one.nth} moves`;
  const { do: name, ...rest } = one.command;
  const fields = Object.entries(rest).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  return `customer ${one.customer}: ${[name, ...fields].join(', ')}`;
}
