import { unreachable } from '../../kernel/faults.ts';
import { isoTime, minuteMs } from '../../kernel/instant.ts';
import type { NewNotice } from '../../outbox/outbox.ts';
import type { ReminderTime, TrialReminder } from '../../outbox/reminder-schedule.ts';
import type { SubscriptionPreview, SubscriptionWorker } from '../../runs/worker.ts';
import { createReminderPass, type RemindAtUpdate, writeReminders } from '../reminders.ts';
import { decideTrialReminder, type TrialDecision } from './rule.ts';
import { readTrialFacts, type TrialReminderFacts } from './store.ts';

// trial-notifications enqueues the reminders of a trial.
//
// `rule.ts` decides which and when. The relevance is checked again when a reminder is sent, because
// a purchase may come in between.

interface Outcome {
  readonly facts: TrialReminderFacts;
  readonly decision: TrialDecision;
}

export const trialNotifications: SubscriptionWorker<TrialReminderFacts, Outcome> = {
  name: 'trial-notifications',
  everyMs: 5 * minuteMs,
  passes: [createReminderPass('trial')],
  pipelined: true,
  read: (tx, items, { now }) => readTrialFacts(tx, items, now),
  decide: (facts, { now }) =>
    facts.map((row) => ({ facts: row, decision: decideTrialReminder(row, now) })),

  async write(tx, outcomes, { now }) {
    const notices: NewNotice[] = [];
    const updates: RemindAtUpdate[] = [];
    for (const { facts, decision } of outcomes) {
      const { subscriptionId } = facts;
      switch (decision.do) {
        case 'remind':
          notices.push(toTrialNotice(facts, decision.reminder));
          updates.push({ subscriptionId, nextAt: decision.nextAt });
          break;
        case 'wait':
          updates.push({ subscriptionId, nextAt: decision.nextAt });
          break;
        case 'nothing':
          break;
        default:
          unreachable(decision);
      }
    }
    const written = await writeReminders(tx, trialNotifications.name, { notices, updates }, now);
    return { examined: outcomes.length, quarantined: [], ...written };
  },

  describe: ({ facts, decision }) => describe(facts, decision),
};

/** The key contains the due time, so each reminder is enqueued once, also after repeated checks. */
function toTrialNotice(
  facts: TrialReminderFacts,
  { kind, at }: ReminderTime<TrialReminder>,
): NewNotice {
  return {
    customerId: facts.customerId,
    subscriptionId: facts.subscriptionId,
    kind,
    dedupeKey: `${kind}:${facts.subscriptionId}:${at}`,
    params: { plan: facts.plan, expires_at: isoTime(facts.expiresAt) },
  };
}

function describe(facts: TrialReminderFacts, decision: TrialDecision): SubscriptionPreview {
  const { telegramId, subscriptionId, currency, plan } = facts;
  const base = { telegramId, subscriptionId, outcome: decision.do, currency, amountMinor: 0n };
  const label = `trial of ${plan} until ${isoTime(facts.expiresAt)}`;
  switch (decision.do) {
    case 'remind':
      return { ...base, sentence: `${label}: would be notified by ${decision.reminder.kind}` };
    case 'wait': {
      const next =
        decision.nextAt === null ? 'no later check' : `next check at ${isoTime(decision.nextAt)}`;
      return { ...base, sentence: `${label}: no reminder due; ${next}` };
    }
    case 'nothing':
      return { ...base, sentence: `${label}: not due` };
  }
}
