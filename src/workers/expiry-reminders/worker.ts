import { unreachable } from '../../kernel/faults.ts';
import { isoTime, minuteMs } from '../../kernel/instant.ts';
import { majorUnits, moneyText } from '../../kernel/money.ts';
import { choicesText } from '../../notify/choice.ts';
import type { NewNotice } from '../../notify/outbox.ts';
import { priceStart, shortage } from '../../notify/refreshing.ts';
import type { EndReminder, ReminderTime } from '../../notify/reminder-times.ts';
import type { PriceChange } from '../../subscription/price-cap.ts';
import { finishPriceReviews } from '../../subscription/price-reviews.ts';
import { findReminding, type Look, writeLooks } from '../reminding.ts';
import type { SubscriptionPreview, SubscriptionWorker } from '../worker.ts';
import { type Facts, readFacts } from './facts.ts';
import { type EndDecision, nextReminder } from './rule.ts';

// Enqueues the notifications before a paid subscription ends or renews. Which and when: `rule.ts`.
// Relevance is checked again when it is sent, because a payment may come in between.

interface Outcome {
  readonly facts: Facts;
  readonly decision: EndDecision;
}

export const expiryReminders: SubscriptionWorker<Facts, Outcome> = {
  name: 'expiry-reminders',
  everyMs: 5 * minuteMs,
  passes: [findReminding('paid')],
  twoAtOnce: true,
  // What a command that changed prices could not finish.
  prepare: async (db, isOver) => void (await finishPriceReviews(db, { isOver })),
  read: readFacts,
  decide: (facts, { now }) =>
    facts.map((row) => ({ facts: row, decision: nextReminder(row, now) })),

  async write(tx, outcomes, { now }) {
    const notices: NewNotice[] = [];
    const looked: Look[] = [];
    for (const { facts, decision } of outcomes) {
      switch (decision.do) {
        case 'remind':
          notices.push(reminderOf(facts, decision.reminder));
          if (decision.change !== undefined)
            notices.push(priceChangeNotice(facts, decision.change));
          break;
        case 'tell-price':
          notices.push(priceChangeNotice(facts, decision.change));
          break;
        case 'tell-withdrawn':
          notices.push(withdrawnNotice(facts, decision.reminder));
          break;
        case 'tell-renewal':
          notices.push(renewalNotice(facts, decision.chargeMinor));
          break;
        case 'wait':
          break;
        case 'nothing':
          continue;
        default:
          unreachable(decision);
      }
      looked.push({ subscriptionId: facts.subscriptionId, nextAt: decision.nextAt });
    }
    const written = await writeLooks(tx, expiryReminders.name, { notices, looked }, now);
    return { examined: outcomes.length, isolated: [], ...written };
  },

  describe: ({ facts, decision }) => describe(facts, decision),
};

/** The key names the moment that it is due at: each is said once, whatever is looked at again. */
function reminderOf(facts: Facts, { kind, at }: ReminderTime<EndReminder>): NewNotice {
  const { outlook, currency } = facts;
  return {
    customerId: facts.customerId,
    subscriptionId: facts.subscriptionId,
    kind,
    dedupeKey: `${kind}:${facts.subscriptionId}:${at}`,
    params: {
      plan: facts.runningPlan,
      expires_at: isoTime(facts.expiresAt),
      ...(outlook.at === 'short' ? shortage(outlook, currency) : { missing: null, others: null }),
      currency,
    },
  };
}

/** Once for each new price and the amount that it replaces. */
function priceChangeNotice(facts: Facts, { priceMinor, newPriceMinor }: PriceChange): NewNotice {
  const { customerId, subscriptionId, expiresAt, currency, outlook, plan, periodDays } = facts;
  const isPriced = outlook.at === 'renewed' || outlook.at === 'short';
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
        ? priceStart(newPriceMinor, { ...facts, ...outlook })
        : { from: null, next_price: null }),
      expires_at: isoTime(expiresAt),
    },
  };
}

function withdrawnNotice(facts: Facts, { at }: ReminderTime<EndReminder>): NewNotice {
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
      choices: choicesText(choices),
    },
  };
}

function renewalNotice(facts: Facts, chargeMinor: bigint): NewNotice {
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

function describe(facts: Facts, decision: EndDecision): SubscriptionPreview {
  const { telegramId, subscriptionId, currency } = facts;
  const of = { telegramId, subscriptionId, outcome: decision.do, currency, amountMinor: 0n };
  const what = `${facts.runningPlan} until ${isoTime(facts.expiresAt)}`;
  switch (decision.do) {
    case 'remind':
      return { ...of, sentence: `${what}: ${decision.reminder.kind}` };
    case 'tell-price': {
      const { priceMinor, newPriceMinor } = decision.change;
      const change = `${moneyText(priceMinor, currency)} before, ${moneyText(newPriceMinor, currency)} next`;
      return { ...of, amountMinor: newPriceMinor - priceMinor, sentence: `${what}: ${change}` };
    }
    case 'tell-withdrawn':
      return {
        ...of,
        sentence: `${what}: ${facts.plan} ${facts.periodDays} d has no price any more`,
      };
    case 'tell-renewal': {
      const charge = moneyText(decision.chargeMinor, currency);
      return {
        ...of,
        amountMinor: decision.chargeMinor,
        sentence: `${what}: renews for ${charge}`,
      };
    }
    case 'wait': {
      const next = decision.nextAt === null ? 'no more' : `again ${isoTime(decision.nextAt)}`;
      return { ...of, sentence: `${what}: nothing to say now, ${next}` };
    }
    case 'nothing':
      return { ...of, sentence: `${what}: not due` };
  }
}
