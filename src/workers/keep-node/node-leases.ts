import type pg from 'pg';
import { wakeChannel } from '../../db/notify.ts';
import type { Lease } from './node-store.ts';

// Who keeps which node, as advisory locks of one connection: a shared one says that this process
// keeps nodes, one for each node that it is this process's. All of them go with the connection.

/** Key of the lock that every process with keepers shares, beside that of replicas' numbers. */
const presenceKey = [73_737, 0] as const;

/** What is said on the channel of wake-ups when nodes became free. */
export const freedPayload = 'keepers';

/** 64 bits of its id, so that two nodes don't meet. */
const toNodeLockKey = (id: string): string => `hashtextextended('perennial keeper ' || ${id}, 0)`;

/** From now on this process is counted among those that keep nodes. */
export async function registerReplica(client: pg.Client): Promise<void> {
  await client.query('SELECT pg_advisory_lock_shared($1, $2)', [...presenceKey]);
}

export interface LeaseState {
  readonly nodes: readonly string[];
  readonly processes: number;
}

export async function readLeaseState(client: pg.Client): Promise<LeaseState> {
  const { rows } = await client.query<LeaseState>(
    `SELECT array(SELECT id FROM perennial.node ORDER BY id) AS nodes,
       (SELECT count(*)::int FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = $1 AND l.objid = $2 AND l.objsubid = 2
          AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       ) AS processes`,
    [...presenceKey],
  );
  return rows[0] as LeaseState;
}

/**
 * Takes up to `most` of these nodes, those that nobody has, and raises their epochs. Locks are tried
 * one after the other, and the LIMIT ends that with the last that was got: none is locked and not
 * taken.
 */
export async function acquire(
  client: pg.Client,
  nodes: readonly string[],
  max: number,
): Promise<Lease[]> {
  const { rows: locked } = await client.query<{ id: string }>(
    `SELECT id FROM unnest($1::text[]) AS id WHERE pg_try_advisory_lock(${toNodeLockKey('id')}) LIMIT $2`,
    [nodes, max],
  );
  if (locked.length === 0) return [];
  const { rows: leases } = await client.query<Lease>(
    `UPDATE perennial.node SET keeper_epoch = keeper_epoch + 1 WHERE id = ANY($1)
     RETURNING id AS node, keeper_epoch AS epoch`,
    [locked.map(({ id }) => id)],
  );
  return leases;
}

/** Others may have these nodes. @param mustNotify those who have room for them, at once */
export async function release(
  client: pg.Client,
  nodes: readonly string[],
  mustNotify: boolean,
): Promise<void> {
  await client.query(
    `SELECT pg_advisory_unlock(${toNodeLockKey('id')}) FROM unnest($1::text[]) AS id`,
    [nodes],
  );
  if (mustNotify) await client.query('SELECT pg_notify($1, $2)', [wakeChannel, freedPayload]);
}
