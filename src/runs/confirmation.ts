import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { wakeWorker } from '../db/notify.ts';
import { readWriteTime } from '../db/trusted-time.ts';
import { formatCount } from '../kernel/count.ts';
import { refused } from '../kernel/faults.ts';
import { type Instant, isoTime, later, minuteMs } from '../kernel/instant.ts';
import { readOpenAlarms } from '../outbox/alarms.ts';
import { type Actor, recordEvents } from '../subscription/store/events.ts';
import { readTermsHash } from '../subscription/store/terms-hash.ts';
import { readHeldItems } from './held.ts';

// The confirmation of changes that a guard holds, for the runs of a service.
//
// 1. A person confirms the number of changes that they saw, never more than the guard holds.
// 2. A batch subtracts the changes that it makes, in its own transaction. So each confirmed change
//    is made at most once, by any replica, and also after a crash.
// 3. A confirmation counts for 10 minutes, and only while prices and settings stay the same.
// 4. A second confirmation replaces the first one. An event names the actor of each one.

const validMs = 10 * minuteMs;

export interface ConfirmationRequest {
  readonly worker: string;
  /** The node, if its guard holds removals. */
  readonly node?: string | undefined;
  /** The number that the person saw. */
  readonly held: number;
  /** The hash of prices and settings that the person saw. */
  readonly ifTerms?: string | undefined;
}

export interface StoredConfirmation {
  readonly worker: string;
  readonly held: number;
  readonly expiresAt: Instant;
}

/**
 * Stores a confirmation, and requests a run.
 * @throws Fault `nothing_held`, `held_changed`, `terms_changed`
 */
export function confirmHeld(
  db: Db,
  { worker, node, held, ifTerms }: ConfirmationRequest,
  actor: Actor,
): Promise<StoredConfirmation> {
  const subject = node ?? worker;
  return inTransaction(db, async (tx) => {
    const now = await readWriteTime(tx);
    const present = await readHeldItems(tx, now, await readOpenAlarms(tx, now));
    const own = present.find((one) => one.worker === worker && one.subject === subject);
    if (own === undefined) throw refused('nothing_held', `the guard of ${subject} holds nothing`);
    if (held > own.held) {
      const holds = formatCount(own.held, 'change');
      throw refused('held_changed', `held: the guard of ${subject} holds ${holds}, not ${held}`);
    }
    const terms = await readTermsHash(tx, now);
    if (ifTerms !== undefined && ifTerms !== terms) {
      throw refused('terms_changed', 'if_terms: prices or settings have changed since');
    }
    await sql`
      INSERT INTO perennial.confirmation (worker, subject, held, terms, actor, confirmed_at)
      VALUES (${worker}, ${subject}, ${held}, ${terms}, ${actor}, ${isoTime(now)})
      ON CONFLICT (worker, subject) DO UPDATE SET held = excluded.held, terms = excluded.terms,
        actor = excluded.actor, confirmed_at = excluded.confirmed_at`.execute(tx);
    if (node !== undefined) {
      // A comparison is due every ten minutes, and the run must compare now.
      await sql`
        UPDATE perennial.node SET reconciled_at = NULL WHERE id = ${node}`.execute(tx);
    }
    const expiresAt = later(now, validMs);
    const detail = { worker, held, expires_at: isoTime(expiresAt) };
    const name = node === undefined ? `worker:${worker}` : `node:${node}`;
    await recordEvents(
      tx,
      [{ customerId: null, subject: name, action: 'held_confirmed', detail }],
      actor,
      now,
    );
    await wakeWorker(tx, worker);
    return { worker, held, expiresAt };
  });
}

export interface ConfirmedUse {
  readonly worker: string;
  /** The worker, or the node. */
  readonly subject: string;
  /** The number of held changes that the caller can make. */
  readonly wanted: number;
  readonly now: Instant;
  /** Takes the whole number or nothing. */
  readonly isWhole?: boolean;
}

/**
 * Takes confirmed changes, and locks the rest of the confirmation until the transaction ends. The
 * holder has its customers and the locks of the guards, so it waits for no further lock of a guard.
 * @returns the number of changes that the caller makes now
 */
export async function takeConfirmed(
  tx: Tx,
  { worker, subject, wanted, now, isWhole = false }: ConfirmedUse,
): Promise<number> {
  if (wanted === 0) return 0;
  const { rows } = await sql<{ held: bigint; terms: string; isValid: boolean }>`
    SELECT held, terms, confirmed_at > ${isoTime(later(now, -validMs))}
      AND confirmed_at <= ${isoTime(later(now, minuteMs))} AS "isValid"
    FROM perennial.confirmation WHERE worker = ${worker} AND subject = ${subject}
    FOR UPDATE`.execute(tx);
  const [row] = rows;
  if (row === undefined || !row.isValid || row.terms !== (await readTermsHash(tx, now))) return 0;
  const left = Number(row.held);
  if (isWhole && left < wanted) return 0;
  const taken = Math.min(left, wanted);
  if (taken === left) {
    await sql`
      DELETE FROM perennial.confirmation
      WHERE worker = ${worker} AND subject = ${subject}`.execute(tx);
  } else {
    await sql`
      UPDATE perennial.confirmation SET held = held - ${taken}
      WHERE worker = ${worker} AND subject = ${subject}`.execute(tx);
  }
  return taken;
}
