import { unreachable } from '../../kernel/faults.ts';
import { isoTime, minuteMs } from '../../kernel/instant.ts';
import { majorUnits, moneyText } from '../../kernel/money.ts';
import type { NewNotice } from '../../notify/outbox.ts';
import { shortage } from '../../notify/refreshing.ts';
import type { EndReminder, ReminderTime } from '../../notify/reminder-times.ts';
import { findReminding, type Look, writeLooks } from '../reminding.ts';
import type { SubscriptionPreview, SubscriptionWorker } from '../worker.ts';
import { type Facts, readFacts } from './facts.ts';
import { type EndDecision, nextReminder } from './rule.ts';

// Owes those whose paid subscription ends what they are to hear before. What and when: `rule.ts`.
// It is judged once more when it is sent, for a payment may come in between.

interface Outcome {
  readonly facts: Facts;
  readonly decision: EndDecision;
}

type PriceChange = Extract<EndDecision, { do: 'tell-price' }>;

export const expiryReminders: SubscriptionWorker<Facts, Outcome> = {
  name: 'expiry-reminders',
  everyMs: 5 * minuteMs,
  passes: [findReminding('paid')],
  twoAtOnce: true,
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
          break;
        case 'tell-price':
          notices.push(priceChangeOf(facts, decision));
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

/** Once for each price that the next period will have. */
function priceChangeOf(facts: Facts, { priceMinor, newPriceMinor }: PriceChange): NewNotice {
  const { subscriptionId, expiresAt, currency } = facts;
  return {
    customerId: facts.customerId,
    subscriptionId,
    kind: 'price_change',
    dedupeKey: `price_change:${subscriptionId}:${expiresAt}:${newPriceMinor}`,
    params: {
      plan: facts.plan,
      period_days: facts.periodDays,
      currency,
      price: majorUnits(priceMinor, currency),
      new_price: majorUnits(newPriceMinor, currency),
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
      const { priceMinor, newPriceMinor } = decision;
      const change = `${moneyText(priceMinor, currency)} before, ${moneyText(newPriceMinor, currency)} next`;
      return { ...of, amountMinor: newPriceMinor - priceMinor, sentence: `${what}: ${change}` };
    }
    case 'wait': {
      const next = decision.nextAt === null ? 'no more' : `again ${isoTime(decision.nextAt)}`;
      return { ...of, sentence: `${what}: nothing to say now, ${next}` };
    }
    case 'nothing':
      return { ...of, sentence: `${what}: not due` };
  }
}
