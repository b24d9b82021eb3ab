import { unreachable } from '../../kernel/faults.ts';
import { isoTime, minuteMs } from '../../kernel/instant.ts';
import type { NewNotice } from '../../notify/outbox.ts';
import type { ReminderTime, TrialReminder } from '../../notify/reminder-times.ts';
import { findReminding, type Look, writeLooks } from '../reminding.ts';
import type { SubscriptionPreview, SubscriptionWorker } from '../worker.ts';
import { nextReminder, type TrialDecision } from './rule.ts';
import { type Facts, readFacts } from './store.ts';

// Owes those on a trial what they are to hear. What and when: `rule.ts`. It is judged once more
// when it is sent, for a purchase may come in between.

interface Outcome {
  readonly facts: Facts;
  readonly decision: TrialDecision;
}

export const trialNotifications: SubscriptionWorker<Facts, Outcome> = {
  name: 'trial-notifications',
  everyMs: 5 * minuteMs,
  passes: [findReminding('trial')],
  twoAtOnce: true,
  read: (tx, items, { now }) => readFacts(tx, items, now),
  decide: (facts, { now }) =>
    facts.map((row) => ({ facts: row, decision: nextReminder(row, now) })),

  async write(tx, outcomes, { now }) {
    const notices: NewNotice[] = [];
    const looked: Look[] = [];
    for (const { facts, decision } of outcomes) {
      const { subscriptionId } = facts;
      switch (decision.do) {
        case 'remind':
          notices.push(noticeOf(facts, decision.reminder));
          looked.push({ subscriptionId, nextAt: decision.nextAt });
          break;
        case 'wait':
          looked.push({ subscriptionId, nextAt: decision.nextAt });
          break;
        case 'nothing':
          break;
        default:
          unreachable(decision);
      }
    }
    const written = await writeLooks(tx, trialNotifications.name, { notices, looked }, now);
    return { examined: outcomes.length, isolated: [], ...written };
  },

  describe: ({ facts, decision }) => describe(facts, decision),
};

/** The key names the moment that it is due at: each is said once, whatever is looked at again. */
function noticeOf(facts: Facts, { kind, at }: ReminderTime<TrialReminder>): NewNotice {
  return {
    customerId: facts.customerId,
    subscriptionId: facts.subscriptionId,
    kind,
    dedupeKey: `${kind}:${facts.subscriptionId}:${at}`,
    params: { plan: facts.plan, expires_at: isoTime(facts.expiresAt) },
  };
}

function describe(facts: Facts, decision: TrialDecision): SubscriptionPreview {
  const { telegramId, subscriptionId, currency, plan } = facts;
  const of = { telegramId, subscriptionId, outcome: decision.do, currency, amountMinor: 0n };
  const what = `trial of ${plan} until ${isoTime(facts.expiresAt)}`;
  switch (decision.do) {
    case 'remind':
      return { ...of, sentence: `${what}: ${decision.reminder.kind}` };
    case 'wait': {
      const next = decision.nextAt === null ? 'no more' : `again ${isoTime(decision.nextAt)}`;
      return { ...of, sentence: `${what}: nothing to say now, ${next}` };
    }
    case 'nothing':
      return { ...of, sentence: `${what}: not due` };
  }
}
