import { unreachable } from '../../kernel/faults.ts';
import { isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { formatPriceStart, formatShortage } from '../../notifications/current-values.ts';
import type { NewNotice } from '../../outbox/outbox.ts';
import { formatChoices } from '../../outbox/plan-choice.ts';
import type { EndReminder, ReminderTime } from '../../outbox/reminder-schedule.ts';
import type { PriceChange } from '../../subscription/rules/price-cap.ts';
import type { ReminderFacts } from './facts.ts';
import type { EndDecision } from './rule.ts';

// The notifications of the decisions of `rule.ts`.

/** None, one, or a reminder with the price that the customer does not know yet. */
export function toEndNotices(facts: ReminderFacts, decision: EndDecision): NewNotice[] {
  switch (decision.do) {
    case 'remind': {
      const { reminder, change } = decision;
      const changes = change === undefined ? [] : [toPriceChangeNotice(facts, change)];
      return [toReminder(facts, reminder), ...changes];
    }
    case 'tell-price':
      return [toPriceChangeNotice(facts, decision.change)];
    case 'tell-withdrawn':
      return [toWithdrawnNotice(facts, decision.reminder)];
    case 'tell-renewal':
      return [toRenewalNotice(facts, decision.chargeMinor)];
    case 'wait':
    case 'nothing':
      return [];
    default:
      return unreachable(decision);
  }
}

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
