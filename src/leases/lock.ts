import { type RawBuilder, sql } from 'kysely';
import type pg from 'pg';

// The advisory locks of leases, and the registration of replicas that keep nodes.

/** A keeper leases a node, a courier leases an account. */
export type LeaseKind = 'keeper' | 'courier';

/** The key of the lock as SQL: 64 bits, so that keys of two ids differ. @param id an SQL text */
export const toLeaseKey = (kind: LeaseKind, id: string): string =>
  `hashtextextended('perennial ${kind} ' || ${id}::text, 0)`;

const grantedLock =
  "l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/** Whether the row `l` of `pg_locks` is the lock of this lease. @param id an SQL text */
export const isLeaseLock = (kind: LeaseKind, id: string): RawBuilder<boolean> => sql<boolean>`(
  ${sql.raw(grantedLock)} AND l.objsubid = 1
  AND (l.classid::bigint << 32 | l.objid::bigint) = ${sql.raw(toLeaseKey(kind, id))})`;

/**
 * Locks up to `max` of these leases that no other session holds. The statement tries one lock after
 * the other, and LIMIT ends it with the last lock. So it locks no lease that it does not return.
 * @returns the locked ids
 */
export async function lockLeases(
  client: pg.Client,
  kind: LeaseKind,
  ids: readonly string[],
  max: number,
): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM unnest($1::text[]) AS id
     WHERE pg_try_advisory_lock(${toLeaseKey(kind, 'id')}) LIMIT $2`,
    [ids, max],
  );
  return rows.map(({ id }) => id);
}

export async function unlockLeases(
  client: pg.Client,
  kind: LeaseKind,
  ids: readonly string[],
): Promise<void> {
  await client.query(
    `SELECT pg_advisory_unlock(${toLeaseKey(kind, 'id')}) FROM unnest($1::text[]) AS id`,
    [ids],
  );
}

/** The lock that the replicas with keepers share, beside the locks of replica numbers. */
const registrationKey = [73_737, 0] as const;

/** Registers the session's replica, until the session ends. */
export async function registerReplica(client: pg.Client): Promise<void> {
  await client.query('SELECT pg_advisory_lock_shared($1, $2)', [...registrationKey]);
}

/** SQL for the number of registered replicas. */
export const registeredReplicasSql = `(SELECT count(*)::int FROM pg_locks l
  WHERE ${grantedLock} AND l.objsubid = 2
    AND l.classid = ${registrationKey[0]} AND l.objid = ${registrationKey[1]})`;
