import type pg from 'pg';
import { wakeChannel } from '../../db/wake.ts';
import type { Post } from './node-store.ts';

// Who keeps which node, as advisory locks of one connection: a shared one says that this process
// keeps nodes, one for each node that it is this process's. All of them go with the connection.

/** Key of the lock that every process with keepers shares, beside that of replicas' numbers. */
const presence = [73_737, 0] as const;

/** What is said on the channel of wake-ups when nodes became free. */
export const freedWord = 'keepers';

/** 64 bits of its id, so that two nodes don't meet. */
const lockOf = (id: string): string => `hashtextextended('perennial keeper ' || ${id}, 0)`;

/** From now on this process is counted among those that keep nodes. */
export async function appear(client: pg.Client): Promise<void> {
  await client.query('SELECT pg_advisory_lock_shared($1, $2)', [...presence]);
}

export interface Posts {
  readonly nodes: readonly string[];
  readonly processes: number;
}

export async function lookAround(client: pg.Client): Promise<Posts> {
  const { rows } = await client.query<Posts>(
    `SELECT array(SELECT id FROM perennial.node ORDER BY id) AS nodes,
       (SELECT count(*)::int FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = $1 AND l.objid = $2 AND l.objsubid = 2
          AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       ) AS processes`,
    [...presence],
  );
  return rows[0] as Posts;
}

/**
 * Takes up to `most` of these nodes, those that nobody has, and raises their epochs. Locks are tried
 * one after the other, and the LIMIT ends that with the last that was got: none is locked and not
 * taken.
 */
export async function takeUp(
  client: pg.Client,
  nodes: readonly string[],
  most: number,
): Promise<Post[]> {
  const { rows: got } = await client.query<{ id: string }>(
    `SELECT id FROM unnest($1::text[]) AS id WHERE pg_try_advisory_lock(${lockOf('id')}) LIMIT $2`,
    [nodes, most],
  );
  if (got.length === 0) return [];
  const { rows: posts } = await client.query<Post>(
    `UPDATE perennial.node SET keeper_epoch = keeper_epoch + 1 WHERE id = ANY($1)
     RETURNING id AS node, keeper_epoch AS epoch`,
    [got.map(({ id }) => id)],
  );
  return posts;
}

/** Others may have these nodes. @param tell those who have room for them, at once */
export async function giveUp(
  client: pg.Client,
  nodes: readonly string[],
  tell: boolean,
): Promise<void> {
  await client.query(`SELECT pg_advisory_unlock(${lockOf('id')}) FROM unnest($1::text[]) AS id`, [
    nodes,
  ]);
  if (tell) await client.query('SELECT pg_notify($1, $2)', [wakeChannel, freedWord]);
}
