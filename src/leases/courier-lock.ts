import { sql } from 'kysely';

// The advisory lock of a courier, for its process and for those who look at it.

/** 64 bits of the channel's id, so that two posts don't meet. */
export const toCourierLockKey = (id: string): string =>
  `hashtextextended('perennial courier ' || ${id}::text, 0)`;

/** Whether the row `l` of `pg_locks` is the lock of the courier `c`. */
export const isCourierLock = sql<boolean>`(
  l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = ${sql.raw(toCourierLockKey('c.id'))})`;
