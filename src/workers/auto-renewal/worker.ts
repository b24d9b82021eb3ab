import { formatCount } from '../../kernel/count.ts';
import { unreachable } from '../../kernel/faults.ts';
import { type Instant, isoTime, later, minuteMs, never } from '../../kernel/instant.ts';
import { moneyText } from '../../kernel/money.ts';
import { enqueueNotifications } from '../../outbox/outbox.ts';
import { releaseQuarantined } from '../../runs/quarantine.ts';
import { type DecidedItem, decideInOrder } from '../../runs/shared-balance.ts';
import {
  countHeldCharges,
  countLateCharges,
  guardCharges,
  type HeldCharge,
} from '../../runs/spend-guard.ts';
import type {
  QuarantinedItem,
  SubscriptionPreview,
  SubscriptionWorker,
} from '../../runs/worker.ts';
import { type Renewal, renewSubscriptions, toRenewal } from '../../subscription/batch/renew.ts';
import { decideRenewal, type RenewalDecision } from '../../subscription/rules/renewal.ts';
import { holdReasonTexts } from '../../subscription/rules/spend-limit.ts';
import {
  postponeRenewals,
  readRenewalFacts,
  type SubscriptionRenewalFacts,
} from '../../subscription/store/renewal-facts.ts';
import { toLowBalanceNotices } from './notices.ts';
import { findDueRenewals, findRenewalRetries } from './store.ts';

// auto-renewal renews due subscriptions from the balance.
//
// `subscription/rules/renewal.ts` decides when and for how much. A renewal keeps the credential, so
// it needs no node and no connected user notices it.

type Decision = RenewalDecision | HeldCharge;
type Outcome = DecidedItem<SubscriptionRenewalFacts, Decision>;

export const autoRenewal: SubscriptionWorker<SubscriptionRenewalFacts, Outcome> = {
  name: 'auto-renewal',
  everyMs: 10 * minuteMs,
  // An attempt of earlier ends before a new due row ends. So a balance is spent in the order of
  // ends.
  passes: [findRenewalRetries, findDueRenewals],
  pipelined: true,
  read: readRenewalFacts,

  decide(facts, batch, reserved) {
    return decideInOrder(facts, reserved, (row) => decideRenewal(row, batch.now, batch.settings));
  },

  guard: (tx, outcomes, batch) => guardCharges(tx, outcomes, batch, 'auto-renewal'),

  async write(tx, outcomes, batch, actor) {
    let held = 0;
    const renewals: Renewal[] = [];
    const short: {
      facts: SubscriptionRenewalFacts;
      nextTryAt: Instant;
      priceMinor: bigint;
      missingMinor: bigint;
    }[] = [];
    const givenUp: SubscriptionRenewalFacts[] = [];
    let blocked = 0;
    const quarantined: QuarantinedItem[] = [];
    for (const { facts, decision, balanceMinor } of outcomes) {
      switch (decision.do) {
        case 'renew':
          renewals.push(toRenewal(facts, decision, balanceMinor, batch.now));
          break;
        case 'wait-for-money':
          short.push({ facts, ...decision });
          break;
        case 'give-up':
          givenUp.push(facts);
          break;
        case 'wait-for-unblock':
          givenUp.push(facts);
          blocked += 1;
          break;
        case 'quarantine':
          quarantined.push(toQuarantinedItem(facts));
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
    await renewSubscriptions(tx, renewals, actor, batch.now, batch.settings);
    await postponeRenewals(tx, [
      ...short.map((row) => ({
        subscriptionId: row.facts.subscriptionId,
        nextTryAt: row.nextTryAt,
      })),
      ...givenUp.map((row) => ({ subscriptionId: row.subscriptionId, nextTryAt: never })),
    ]);
    const noticeCount = await enqueueNotifications(
      tx,
      short.flatMap(toLowBalanceNotices),
      batch.now,
    );
    // A decision takes the item out of quarantine, also if the decision is to wait. In quarantine
    // the subscription would stay connected past its end.
    const decided = [...renewals, ...short.map((row) => row.facts), ...givenUp];
    await releaseQuarantined(
      tx,
      autoRenewal.name,
      decided.map((row) => row.subscriptionId.toString()),
    );
    return {
      examined: outcomes.length,
      changed: renewals.length,
      quarantined,
      counts: {
        renewed: renewals.length,
        revived: renewals.filter((row) => row.isRevived).length,
        short: short.length,
        low_balance_notices: Number(noticeCount),
        ...(held > 0 ? { held } : {}),
        ...countHeldCharges(outcomes),
        ...(blocked > 0 ? { blocked } : {}),
        ...countLateCharges(outcomes, batch, batch.confirmed),
      },
      // A subscription that was renewed days late may be due again.
      dueAgain: renewals.some((row) => row.endsAt <= later(batch.now, batch.settings.windowMs)),
    };
  },

  describe: ({ facts, decision, balanceMinor }) => describe(facts, decision, balanceMinor),
};

function toQuarantinedItem(facts: SubscriptionRenewalFacts): QuarantinedItem {
  return {
    subscriptionId: facts.subscriptionId,
    reason: 'no_price',
    sentence: `customer ${facts.telegramId}: plan ${facts.plan} has no price for ${formatCount(facts.periodDays, 'day')} in ${facts.currency}`,
  };
}

function describe(
  facts: SubscriptionRenewalFacts,
  decision: Decision,
  balanceMinor: bigint,
): SubscriptionPreview {
  const { telegramId, subscriptionId, currency } = facts;
  const base = { telegramId, subscriptionId, outcome: decision.do, currency };
  const label = `${facts.plan} ${facts.periodDays} d`;
  switch (decision.do) {
    case 'renew':
      return {
        ...base,
        amountMinor: decision.chargeMinor,
        sentence: `${label} would be renewed for ${moneyText(decision.chargeMinor, currency)} until ${isoTime(decision.endsAt)}; ${moneyText(balanceMinor - decision.chargeMinor, currency)} left`,
      };
    case 'wait-for-money':
      return {
        ...base,
        amountMinor: decision.missingMinor,
        sentence: `${label} would wait for money: it costs ${moneyText(decision.priceMinor, currency)}, ${moneyText(decision.missingMinor, currency)} missing; ends at ${isoTime(facts.expiresAt)}`,
      };
    case 'hold-charge':
      return {
        ...base,
        amountMinor: decision.chargeMinor,
        sentence: `${label} would wait for --confirm: the guard holds this charge of ${moneyText(decision.chargeMinor, currency)} because ${holdReasonTexts[decision.reason]}, and the subscription stays active`,
      };
    case 'quarantine':
      return {
        ...base,
        amountMinor: 0n,
        sentence: `${label} would go to quarantine: it has no price in ${currency}`,
      };
    case 'give-up':
      return {
        ...base,
        amountMinor: 0n,
        sentence: `${label} would stay expired: it ended at ${isoTime(facts.expiresAt)}, too long ago to be revived`,
      };
    case 'wait-for-unblock':
      return {
        ...base,
        amountMinor: 0n,
        sentence: `${label} would not be renewed: the customer is blocked`,
      };
    case 'nothing':
      return { ...base, amountMinor: 0n, sentence: `${label} is not due` };
  }
}
