import { sql } from 'kysely';
import type { PlannedOutcome } from '../../../src/forecast/outcomes.ts';
import { type Instant, isoTime } from '../../../src/kernel/instant.ts';
import type { TestDatabase } from '../../support/database.ts';

// The results of the workers, from the ledger and the timeline, in the form of a forecast.

/** Telegram id, subscription, outcome, start, amount and currency as one line. */
export type OutcomeLine = string;

type ComparedOutcome = Omit<PlannedOutcome, 'plan' | 'at'>;

const toLine = (outcome: ComparedOutcome): OutcomeLine =>
  [
    outcome.telegramId,
    outcome.subscriptionId,
    outcome.outcome,
    isoTime(outcome.startsAt),
    outcome.amountMinor ?? '',
    outcome.currency,
  ].join(' ');

/** A forecast as sorted lines. The failed charge of a short subscription leaves no row. */
export const toForecastLines = (outcomes: readonly PlannedOutcome[]): OutcomeLine[] =>
  outcomes
    .map((one) => toLine(one.outcome === 'short' ? { ...one, amountMinor: null } : one))
    .sort();

/** Renewals and ends from `from` on and before `until`. */
export async function readOutcomeLines(
  { db }: TestDatabase,
  from: Instant,
  until: Instant,
): Promise<OutcomeLine[]> {
  const { rows } = await sql<ComparedOutcome>`
    SELECT c.telegram_id AS "telegramId", p.subscription_id AS "subscriptionId",
      'renewed' AS outcome, p.starts_at AS "startsAt", p.amount_minor AS "amountMinor", c.currency
    FROM perennial.ledger_entry e
    JOIN perennial.period p ON p.ledger_entry_id = e.id AND p.customer_id = e.customer_id
    JOIN perennial.customer c ON c.id = e.customer_id
    WHERE e.kind = 'renewal' AND e.created_at >= ${isoTime(from)} AND e.created_at < ${isoTime(until)}
    UNION ALL
    SELECT c.telegram_id, s.id, CASE WHEN s.kind = 'paid' AND s.auto_renew
        AND c.blocked_at IS NULL AND (
        SELECT price.amount_minor FROM perennial.plan_price price
        WHERE price.plan = coalesce(s.next_plan, s.plan) AND price.currency = c.currency
          AND price.period_days = coalesce(s.next_period_days, s.period_days)
          AND price.valid_from <= v.at
        ORDER BY price.valid_from DESC LIMIT 1) IS NOT NULL THEN 'short' ELSE 'ends' END,
      (v.detail->>'expires_at')::timestamptz, NULL, c.currency
    FROM perennial.event v JOIN perennial.customer c ON c.id = v.customer_id
    JOIN perennial.subscription s ON v.subject = 'subscription:' || s.id
    WHERE v.action = 'expired' AND v.at >= ${isoTime(from)} AND v.at < ${isoTime(until)}`.execute(
    db,
  );
  return rows.map(toLine).sort();
}
