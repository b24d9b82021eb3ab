import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { readWriteTime } from '../../db/trusted-time.ts';
import { refused } from '../../kernel/faults.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { isLeaseLock, toLeaseKey } from '../../leases/lock.ts';
import { type Actor, recordEvents } from '../../subscription/store/events.ts';

// The list of couriers in the database, and the command that forgets one.
//
// The list contains each bot, mailbox or log that a process has ever delivered for. A person
// forgets a courier that is no longer used.

export interface CourierStatus {
  readonly id: string;
  /** A process holds its lease. */
  readonly isRunning: boolean;
  /** The account pauses until this time. */
  readonly pausedUntil: Instant | null;
  readonly failures: number;
  readonly lastError: string | null;
}

const isRunning = sql`EXISTS (SELECT FROM pg_locks l WHERE ${isLeaseLock('courier', 'c.id')})`;

export async function readCouriers(db: Db | Tx): Promise<CourierStatus[]> {
  const { rows } = await sql<CourierStatus>`
    SELECT c.id, ${isRunning} AS "isRunning", c.failures, c.last_error AS "lastError",
      CASE WHEN c.rests_until > perennial.clock() THEN c.rests_until END AS "pausedUntil"
    FROM perennial.courier c ORDER BY c.id`.execute(db);
  return rows;
}

/** As the command line and the API show it. */
export const toCourierJson = ({
  id,
  isRunning: delivers,
  pausedUntil,
  failures,
  lastError,
}: CourierStatus) => ({
  id,
  delivers,
  rests_until: pausedUntil === null ? null : isoTime(pausedUntil),
  failures,
  last_error: lastError,
});

/**
 * Deletes a courier, so that its fallback may take its notifications. A courier whose process runs
 * would return with the next notification, so that process must end first.
 * @throws Fault `no_courier`, `courier_running`
 */
export function forgetCourier(db: Db, id: string, actor: Actor): Promise<void> {
  return inTransaction(db, async (tx) => {
    const { rows: known } = await sql<{ id: string }>`
      SELECT id FROM perennial.courier WHERE id = ${id} FOR UPDATE`.execute(tx);
    if (known.length === 0) {
      throw refused(
        'no_courier',
        `--forget: "${id}" is not a courier; list them with "perennial notice couriers"`,
      );
    }
    const { rows } = await sql<{ mine: boolean }>`
      SELECT pg_try_advisory_xact_lock(${sql.raw(toLeaseKey('courier', 'c.id'))}) AS mine
      FROM perennial.courier c WHERE c.id = ${id}`.execute(tx);
    if (rows[0]?.mine !== true) {
      throw refused(
        'courier_running',
        `--forget: a process delivers for ${id} at this moment; end it, or remove ${id} from its configuration, first`,
      );
    }
    await sql`DELETE FROM perennial.courier WHERE id = ${id}`.execute(tx);
    const event = { customerId: null, subject: `courier:${id}`, action: 'courier_forgotten' };
    await recordEvents(tx, [{ ...event, detail: {} }], actor, await readWriteTime(tx));
  });
}
