import { unreachable } from '../../kernel/faults.ts';
import { type Instant, isoTime, later, minuteMs, never } from '../../kernel/instant.ts';
import { majorUnits, moneyText } from '../../kernel/money.ts';
import { type NewNotice, owe } from '../../notify/outbox.ts';
import { decideRenewal, type RenewalDecision } from '../../subscription/renewal.ts';
import { type Facts, postpone, readFacts } from '../../subscription/renewal-facts.ts';
import { type Renewal, renew, renewalOf } from '../../subscription/renewing.ts';
import { release } from '../quarantine.ts';
import { guardCharges, type HeldCharge, isLate, lateCharges } from '../spend-guard.ts';
import { type Decided, decideInTurn } from '../spending.ts';
import type { Isolated, SubscriptionPreview, SubscriptionWorker } from '../worker.ts';
import { findDue, findRetries } from './store.ts';

// Renews what is due from the balance. When and how much: `subscription/renewal.ts`. Needs no
// node: a renewal keeps the credential, so nothing changes for whoever is connected.

type Decision = RenewalDecision | HeldCharge;
type Outcome = Decided<Facts, Decision>;

export const autoRenewal: SubscriptionWorker<Facts, Outcome> = {
  name: 'auto-renewal',
  everyMs: 10 * minuteMs,
  // What was tried before ends before what comes due now: a customer's money goes by their order.
  passes: [findRetries, findDue],
  twoAtOnce: true,
  read: readFacts,

  decide(facts, moment, spent) {
    return decideInTurn(facts, spent, (row) => decideRenewal(row, moment.now, moment.settings));
  },

  guard: (tx, outcomes, moment) => guardCharges(tx, outcomes, moment, moment.confirmed),

  async write(tx, outcomes, moment, actor) {
    let held = 0;
    const renewals: Renewal[] = [];
    const short: { facts: Facts; nextTryAt: Instant; priceMinor: bigint; missingMinor: bigint }[] =
      [];
    const givenUp: Facts[] = [];
    const isolated: Isolated[] = [];
    for (const { facts, decision, balanceMinor } of outcomes) {
      switch (decision.do) {
        case 'renew':
          renewals.push(renewalOf(facts, decision, balanceMinor, moment.now));
          break;
        case 'wait-for-money':
          short.push({ facts, ...decision });
          break;
        case 'give-up':
          givenUp.push(facts);
          break;
        case 'quarantine':
          isolated.push(isolatedOf(facts));
          break;
        case 'hold-charge':
          held += 1;
          break;
        case 'nothing':
          break;
        default:
          unreachable(decision);
      }
    }
    const late = outcomes.filter((one) => isLate(one, moment)).length;
    await renew(tx, renewals, actor, moment.now, moment.settings);
    await postpone(tx, [
      ...short.map((row) => ({
        subscriptionId: row.facts.subscriptionId,
        nextTryAt: row.nextTryAt,
      })),
      ...givenUp.map((row) => ({ subscriptionId: row.subscriptionId, nextTryAt: never })),
    ]);
    const told = await owe(tx, short.flatMap(lowBalanceNotice), moment.now);
    // What the rule could decide is in no trouble any more, also where the answer was to wait: in
    // quarantine it would stay connected past its end.
    const decided = [...renewals, ...short.map((row) => row.facts), ...givenUp];
    await release(
      tx,
      autoRenewal.name,
      decided.map((row) => row.subscriptionId.toString()),
    );
    return {
      examined: outcomes.length,
      changed: renewals.length,
      isolated,
      counts: {
        renewed: renewals.length,
        revived: renewals.filter((row) => row.revived).length,
        short: short.length,
        low_balance_notices: Number(told),
        ...(held > 0 ? { held } : {}),
        ...(late > 0 ? { [moment.confirmed ? 'confirmed' : lateCharges]: late } : {}),
      },
      // What was renewed days late may have to be renewed once more.
      comesAgain: renewals.some((row) => row.endsAt <= later(moment.now, moment.settings.windowMs)),
    };
  },

  describe: ({ facts, decision, balanceMinor }) => describe(facts, decision, balanceMinor),
};

function isolatedOf(facts: Facts): Isolated {
  return {
    subscriptionId: facts.subscriptionId,
    reason: 'no_price',
    sentence: `customer ${facts.telegramId}: plan ${facts.plan} has no price for ${facts.periodDays} days in ${facts.currency}`,
  };
}

/** Told once a period: the key names the end that can't be paid for. An ended one was told. */
function lowBalanceNotice(row: {
  readonly facts: Facts;
  readonly priceMinor: bigint;
  readonly missingMinor: bigint;
}): NewNotice[] {
  const { facts } = row;
  if (facts.state !== 'active') return [];
  return [
    {
      customerId: facts.customerId,
      subscriptionId: facts.subscriptionId,
      kind: 'low_balance',
      dedupeKey: `low_balance:${facts.subscriptionId}:${facts.expiresAt}`,
      params: {
        price: majorUnits(row.priceMinor, facts.currency),
        // As the run saw it, what earlier ones took gone already; put right when it is sent.
        missing: majorUnits(row.missingMinor, facts.currency),
        others: null,
        currency: facts.currency,
        plan: facts.plan,
        period_days: facts.periodDays,
        expires_at: isoTime(facts.expiresAt),
      },
    },
  ];
}

function describe(facts: Facts, decision: Decision, balanceMinor: bigint): SubscriptionPreview {
  const { telegramId, subscriptionId, currency } = facts;
  const of = { telegramId, subscriptionId, outcome: decision.do, currency };
  const what = `${facts.plan} ${facts.periodDays} d`;
  switch (decision.do) {
    case 'renew':
      return {
        ...of,
        amountMinor: decision.chargeMinor,
        sentence: `${what} renewed for ${moneyText(decision.chargeMinor, currency)} until ${isoTime(decision.endsAt)}; ${moneyText(balanceMinor - decision.chargeMinor, currency)} left`,
      };
    case 'wait-for-money':
      return {
        ...of,
        amountMinor: decision.missingMinor,
        sentence: `${what} costs ${moneyText(decision.priceMinor, currency)}, ${moneyText(decision.missingMinor, currency)} missing; ends ${isoTime(facts.expiresAt)}`,
      };
    case 'hold-charge':
      return {
        ...of,
        amountMinor: decision.chargeMinor,
        sentence: `${what} would be renewed for ${moneyText(decision.chargeMinor, currency)}: the guard holds this charge, and the subscription stays active; --confirm releases it`,
      };
    case 'quarantine':
      return { ...of, amountMinor: 0n, sentence: isolatedOf(facts).sentence };
    case 'give-up':
      return {
        ...of,
        amountMinor: 0n,
        sentence: `${what} ended ${isoTime(facts.expiresAt)}: too long ago to be revived`,
      };
    case 'nothing':
      return { ...of, amountMinor: 0n, sentence: `${what} is not due` };
  }
}
