import { unreachable } from '../../kernel/faults.ts';
import { isoTime, minuteMs } from '../../kernel/instant.ts';
import { majorUnits, moneyText } from '../../kernel/money.ts';
import { formatPriceStart, formatShortage } from '../../notifications/current-values.ts';
import type { NewNotice } from '../../outbox/outbox.ts';
import { formatChoices } from '../../outbox/plan-choice.ts';
import type { EndReminder, ReminderTime } from '../../outbox/reminder-schedule.ts';
import type { SubscriptionPreview, SubscriptionWorker } from '../../runs/worker.ts';
import type { PriceChange } from '../../subscription/rules/price-cap.ts';
import { runPriceReviews } from '../../subscription/store/price-reviews.ts';
import { createReminderPass, type RemindAtUpdate, writeReminders } from '../reminders.ts';
import { type ReminderFacts, readReminderFacts } from './facts.ts';
import { decideEndReminder, type EndDecision } from './rule.ts';

// expiry-reminders enqueues the notifications before a paid subscription ends or renews.
//
// `rule.ts` decides which and when. The relevance is checked again when a notification is sent,
// because a payment may come in between.

interface Outcome {
  readonly facts: ReminderFacts;
  readonly decision: EndDecision;
}

export const expiryReminders: SubscriptionWorker<ReminderFacts, Outcome> = {
  name: 'expiry-reminders',
  everyMs: 5 * minuteMs,
  passes: [createReminderPass('paid')],
  pipelined: true,
  // Finishes the price reviews of commands that changed prices.
  prepare: async (db, mustStop) => void (await runPriceReviews(db, { isOver: mustStop })),
  read: readReminderFacts,
  decide: (facts, { now }) =>
    facts.map((row) => ({ facts: row, decision: decideEndReminder(row, now) })),

  async write(tx, outcomes, { now }) {
    const notices: NewNotice[] = [];
    const updates: RemindAtUpdate[] = [];
    for (const { facts, decision } of outcomes) {
      switch (decision.do) {
        case 'remind':
          notices.push(toReminder(facts, decision.reminder));
          if (decision.change !== undefined)
            notices.push(toPriceChangeNotice(facts, decision.change));
          break;
        case 'tell-price':
          notices.push(toPriceChangeNotice(facts, decision.change));
          break;
        case 'tell-withdrawn':
          notices.push(toWithdrawnNotice(facts, decision.reminder));
          break;
        case 'tell-renewal':
          notices.push(toRenewalNotice(facts, decision.chargeMinor));
          break;
        case 'wait':
          break;
        case 'nothing':
          continue;
        default:
          unreachable(decision);
      }
      updates.push({ subscriptionId: facts.subscriptionId, nextAt: decision.nextAt });
    }
    const written = await writeReminders(tx, expiryReminders.name, { notices, updates }, now);
    return { examined: outcomes.length, quarantined: [], ...written };
  },

  describe: ({ facts, decision }) => describe(facts, decision),
};

/** The key contains the due time, so each reminder is enqueued once, also after repeated checks. */
function toReminder(facts: ReminderFacts, { kind, at }: ReminderTime<EndReminder>): NewNotice {
  const { forecast, currency } = facts;
  return {
    customerId: facts.customerId,
    subscriptionId: facts.subscriptionId,
    kind,
    dedupeKey: `${kind}:${facts.subscriptionId}:${at}`,
    params: {
      plan: facts.runningPlan,
      expires_at: isoTime(facts.expiresAt),
      ...(forecast.kind === 'short'
        ? formatShortage(forecast, currency)
        : { missing: null, others: null }),
      currency,
    },
  };
}

/** One notification for each new price and the amount that it replaces. */
function toPriceChangeNotice(
  facts: ReminderFacts,
  { priceMinor, newPriceMinor }: PriceChange,
): NewNotice {
  const { customerId, subscriptionId, expiresAt, currency, forecast, plan, periodDays } = facts;
  const isPriced = forecast.kind === 'renewed' || forecast.kind === 'short';
  return {
    customerId,
    subscriptionId,
    kind: 'price_change',
    dedupeKey: `price_change:${subscriptionId}:${expiresAt}:${priceMinor}:${newPriceMinor}`,
    params: {
      plan,
      period_days: periodDays,
      currency,
      price: majorUnits(priceMinor, currency),
      new_price: majorUnits(newPriceMinor, currency),
      ...(isPriced
        ? formatPriceStart(newPriceMinor, { ...facts, ...forecast })
        : { from: null, next_price: null }),
      expires_at: isoTime(expiresAt),
    },
  };
}

function toWithdrawnNotice(facts: ReminderFacts, { at }: ReminderTime<EndReminder>): NewNotice {
  const { customerId, subscriptionId, plan, periodDays, expiresAt, choices } = facts;
  return {
    customerId,
    subscriptionId,
    kind: 'price_withdrawn',
    dedupeKey: `price_withdrawn:${subscriptionId}:${at}`,
    params: {
      plan,
      period_days: periodDays,
      expires_at: isoTime(expiresAt),
      choices: formatChoices(choices),
    },
  };
}

function toRenewalNotice(facts: ReminderFacts, chargeMinor: bigint): NewNotice {
  const { customerId, subscriptionId, plan, periodDays, expiresAt, currency } = facts;
  return {
    customerId,
    subscriptionId,
    kind: 'renewal_ahead',
    dedupeKey: `renewal_ahead:${subscriptionId}:${expiresAt}`,
    params: {
      plan,
      period_days: periodDays,
      currency,
      price: majorUnits(chargeMinor, currency),
      expires_at: isoTime(expiresAt),
    },
  };
}

function describe(facts: ReminderFacts, decision: EndDecision): SubscriptionPreview {
  const { telegramId, subscriptionId, currency } = facts;
  const base = { telegramId, subscriptionId, outcome: decision.do, currency, amountMinor: 0n };
  const label = `${facts.runningPlan} until ${isoTime(facts.expiresAt)}`;
  switch (decision.do) {
    case 'remind':
      return { ...base, sentence: `${label}: would be notified by ${decision.reminder.kind}` };
    case 'tell-price': {
      const { priceMinor, newPriceMinor } = decision.change;
      const change = `would be notified of a price of ${moneyText(newPriceMinor, currency)}, ${moneyText(priceMinor, currency)} before`;
      return { ...base, amountMinor: newPriceMinor - priceMinor, sentence: `${label}: ${change}` };
    }
    case 'tell-withdrawn':
      return {
        ...base,
        sentence: `${label}: would be notified that ${facts.plan} ${facts.periodDays} d has no price any more`,
      };
    case 'tell-renewal': {
      const charge = moneyText(decision.chargeMinor, currency);
      return {
        ...base,
        amountMinor: decision.chargeMinor,
        sentence: `${label}: would be notified of a renewal for ${charge}`,
      };
    }
    case 'wait': {
      const next =
        decision.nextAt === null ? 'no later check' : `next check at ${isoTime(decision.nextAt)}`;
      return { ...base, sentence: `${label}: no reminder due; ${next}` };
    }
    case 'nothing':
      return { ...base, sentence: `${label}: not due` };
  }
}
