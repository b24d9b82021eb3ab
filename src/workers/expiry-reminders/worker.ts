import { isoTime, minuteMs } from '../../kernel/instant.ts';
import { moneyText } from '../../kernel/money.ts';
import type { NewNotice } from '../../outbox/outbox.ts';
import type { SubscriptionPreview, SubscriptionWorker } from '../../runs/worker.ts';
import { runPriceReviews } from '../../subscription/store/price-reviews.ts';
import { createReminderPass, type RemindAtUpdate, writeReminders } from '../reminders.ts';
import { type ReminderFacts, readReminderFacts } from './facts.ts';
import { toEndNotices } from './notices.ts';
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
      if (decision.do === 'nothing') continue;
      notices.push(...toEndNotices(facts, decision));
      updates.push({ subscriptionId: facts.subscriptionId, nextAt: decision.nextAt });
    }
    const written = await writeReminders(tx, expiryReminders.name, { notices, updates }, now);
    return { examined: outcomes.length, quarantined: [], ...written };
  },

  describe: ({ facts, decision }) => describe(facts, decision),
};

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
