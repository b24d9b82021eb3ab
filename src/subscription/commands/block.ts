import { sql } from 'kysely';
import { closeAccess, openAccess } from '../../access/credentials.ts';
import type { Tx } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import { refused, UsageFault } from '../../kernel/faults.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { dayMs, isoTime } from '../../kernel/instant.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordEvents, toCustomerSubject } from '../store/events.ts';
import { releaseQuarantine } from '../store/retry-now.ts';
import { withLockedCustomer } from './command.ts';

// The commands block and unblock.
//
// 1. A block retires all credentials of the customer in the same transaction. Money and time stay
//    as they are, and the subscriptions run on without access.
// 2. A blocked customer has no purchase, no trial, no renewal and no reminders. A payment is still
//    credited.
// 3. Unblocking restores the credentials of the subscriptions that are still active. A subscription
//    that expired meanwhile stays expired, because unblocking is no payment.

export interface Block {
  readonly telegramId: bigint;
  readonly reason: string;
}

export type BlockResult = {
  readonly telegram_id: number;
  readonly blocked_at: string | null;
  readonly blocked_reason: string | null;
  /** The active subscriptions that lost their access, or have it again. */
  readonly subscriptions: number;
};

/** A reason is one line, because exports and the timeline have it. */
export const isReason = (text: string): boolean => /^\P{Cc}{1,500}$/u.test(text);

/** @throws UsageFault `bad_reason` */
function requireReason(reason: string): void {
  if (isReason(reason)) return;
  throw new UsageFault('bad_reason', 'reason: it is not one line of at most 500 characters');
}

/** @throws Fault `is_blocked`, UsageFault `bad_reason` */
export function blockCustomer(caller: Caller, request: Block): Promise<BlockResult> {
  return withLockedCustomer(caller, 'block', request.telegramId, request, async (context) => {
    const { tx, now, customer } = context;
    const { reason } = request;
    requireReason(reason);
    if (customer.isBlocked) {
      throw refused('is_blocked', `customer ${customer.telegramId} is blocked already`);
    }
    const active = await readActive(tx, customer.id);
    await sql`
      UPDATE perennial.customer SET blocked_at = ${isoTime(now)}, blocked_reason = ${reason}
      WHERE id = ${customer.id}`.execute(tx);
    await closeAccess(tx, active, now);
    await recordBlockEvent(context, 'blocked', reason);
    return toResult(context, { at: isoTime(now), reason }, active);
  });
}

/** Longer than any block: the customer gets the same credential back. */
const restoreMs = 36_500 * dayMs;

/** @throws Fault `not_blocked` */
export function unblockCustomer(caller: Caller, request: Block): Promise<BlockResult> {
  return withLockedCustomer(caller, 'unblock', request.telegramId, request, async (context) => {
    const { tx, now, customer } = context;
    requireReason(request.reason);
    if (!customer.isBlocked) {
      throw refused('not_blocked', `customer ${customer.telegramId} is not blocked`);
    }
    await sql`
      UPDATE perennial.customer SET blocked_at = NULL, blocked_reason = NULL
      WHERE id = ${customer.id}`.execute(tx);
    const active = await readActive(tx, customer.id);
    await openAccess(tx, active, now, restoreMs);
    await resumeRenewals(context);
    await recordBlockEvent(context, 'unblocked', request.reason);
    return toResult(context, undefined, active);
  });
}

async function readActive(tx: Tx, customerId: CustomerId): Promise<SubscriptionId[]> {
  const { rows } = await sql<{ id: SubscriptionId }>`
    SELECT id FROM perennial.subscription
    WHERE customer_id = ${customerId} AND state = 'active' ORDER BY id`.execute(tx);
  return rows.map(({ id }) => id);
}

/** Renewals and reminders that waited during the block are due at once. */
async function resumeRenewals({ tx, customer, now }: CommandContext): Promise<void> {
  await sql`
    UPDATE perennial.subscription SET next_try_at = NULL, remind_at = ${isoTime(now)}
    WHERE customer_id = ${customer.id} AND state = 'active'`.execute(tx);
  await releaseQuarantine(tx, customer.id);
  await wakeWorker(tx, 'auto-renewal');
}

async function recordBlockEvent(
  { tx, customer, actor, now }: CommandContext,
  action: 'blocked' | 'unblocked',
  reason: string,
): Promise<void> {
  const event = {
    customerId: customer.id,
    subject: toCustomerSubject(customer.id),
    action,
    detail: { reason },
  };
  await recordEvents(tx, [event], actor, now);
}

const toResult = (
  { customer }: CommandContext,
  block: { readonly at: string; readonly reason: string } | undefined,
  active: readonly SubscriptionId[],
): BlockResult => ({
  telegram_id: Number(customer.telegramId),
  blocked_at: block?.at ?? null,
  blocked_reason: block?.reason ?? null,
  subscriptions: active.length,
});
