import { type RawBuilder, sql } from 'kysely';
import { isEntitled } from '../../access/entitlement.ts';
import { buildMarkInsert } from '../../access/marks.ts';
import { longOutageMs } from '../../access/node-outages.ts';
import type { Db, Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { CredentialId } from '../../kernel/ids.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import { createLeaseFault } from '../../leases/fence.ts';
import type { Lease } from '../../leases/lease.ts';
import type { NodeAddress } from '../../xray/grpc/connect.ts';

// The SQL of a keeper for the row of its node.
//
// Every write requires the epoch of the keeper. A replaced keeper changes nothing, and gets a
// result that shows the loss.

/** The fault of a replaced keeper. It may send no call to the node any more. */
export function leaseLost({ id: node }: Lease): Fault {
  const sentence = `node ${node}: another keeper has the lease, or the node was removed`;
  return createLeaseFault(sentence);
}

export interface NodeFacts extends Required<NodeAddress> {
  readonly now: Instant;
  readonly inbounds: readonly string[];
  /** The flow of the customers' link. */
  readonly flow: string | null;
  readonly link: unknown;
  /** The misfits of the link at the last check. */
  readonly linkError: string | null;
  readonly bootAt: Instant | null;
  readonly seededBootAt: Instant | null;
  readonly failures: number;
}

/** True if the lease is still valid. */
export async function holdsLease(db: Db, { id: node, epoch }: Lease): Promise<boolean> {
  const { rows } = await sql`
    SELECT FROM perennial.node WHERE id = ${node} AND keeper_epoch = ${epoch}`.execute(db);
  return rows.length === 1;
}

/** @returns undefined if the lease is lost or the node was removed */
export async function readNode(db: Db, { id: node, epoch }: Lease): Promise<NodeFacts | undefined> {
  const { rows } = await sql<NodeFacts>`
    SELECT api, tls, inbounds, link, link->>'flow' AS flow, link_error AS "linkError", failures,
      boot_at AS "bootAt", seeded_boot_at AS "seededBootAt",
      (SELECT perennial.clock()) AS now
    FROM perennial.node WHERE id = ${node} AND keeper_epoch = ${epoch}`.execute(db);
  return rows[0];
}

export interface ProbeResult {
  readonly failures: number;
  readonly openUntil: Instant | null;
  readonly lastError: string | null;
  /** The start of this probe. */
  readonly now: Instant;
  /** Missing after a failed probe. */
  readonly seen?: {
    readonly at: Instant;
    readonly bootAt: Instant;
    /** The node is seeded again; else a new `bootAt` is the same boot by another clock. */
    readonly forgotten: boolean;
    /** The node restarted for certain: no inbound has users. */
    readonly isNew: boolean;
    readonly uptimeS: number;
    /** Users were added, or a chunk was marked, since the last stored probe. */
    readonly hasAdded: boolean;
  };
}

/** Writes a probe. @returns false if the lease is lost or the address of the node changed */
export async function writeProbe(
  db: Db,
  { id: node, epoch }: Lease,
  api: string,
  { failures, openUntil, lastError, now, seen }: ProbeResult,
): Promise<boolean> {
  const at = (time: Instant | null | undefined) => (time == null ? null : isoTime(time));
  const bootAt = sql`coalesce(${at(seen?.bootAt)}::timestamptz, n.boot_at)`;
  const forgotten = sql`${seen?.forgotten ?? false}::boolean`;
  const begins = sql`(n.added_at IS NULL OR n.down_since <= ${isoTime(later(now, -longOutageMs))}
    OR ${forgotten} AND n.seeded_boot_at = n.boot_at)`;
  const { numAffectedRows } = await sql`
    UPDATE perennial.node n SET failures = ${failures}, open_until = ${at(openUntil)}::timestamptz,
      last_error = ${lastError},
      down_since = CASE WHEN ${seen === undefined}::boolean
        THEN coalesce(n.down_since, ${isoTime(now)}::timestamptz) END,
      added_at = CASE WHEN ${seen?.hasAdded ?? false}::boolean OR ${seen !== undefined}::boolean
        AND ${begins} THEN ${isoTime(now)}::timestamptz ELSE n.added_at END,
      last_seen_at = coalesce(${at(seen?.at)}::timestamptz, n.last_seen_at),
      boot_at = ${bootAt}, uptime_s = coalesce(${seen?.uptimeS ?? null}::bigint, n.uptime_s),
      seeded_boot_at = CASE WHEN ${forgotten} THEN NULL
        WHEN n.seeded_boot_at = n.boot_at THEN ${bootAt} ELSE n.seeded_boot_at END,
      seed_after = CASE WHEN ${forgotten} THEN NULL ELSE n.seed_after END,
      seed_marked = CASE WHEN ${forgotten} THEN 0 ELSE n.seed_marked END,
      former_inbounds = CASE WHEN ${seen?.isNew ?? false}::boolean THEN '{}'
        ELSE n.former_inbounds END
    WHERE n.id = ${node} AND n.keeper_epoch = ${epoch} AND n.api = ${api}`.execute(db);
  return numAffectedRows === 1n;
}

/** A credential that the node has for certain: the database has confirmed it. */
export interface ConfirmedCredential {
  readonly id: CredentialId;
  readonly installation: string;
}

/** Writes the error of a node without waiting for the next probe. */
export async function writeNodeError(
  db: Db,
  { id: node, epoch }: Lease,
  error: string,
): Promise<void> {
  await sql`
    UPDATE perennial.node SET last_error = ${error}
    WHERE id = ${node} AND keeper_epoch = ${epoch}`.execute(db);
}

/** Writes the values of the link that fit no inbound; null: all values fit. */
export async function writeLinkError(
  db: Db,
  { id: node, epoch }: Lease,
  error: string | null,
): Promise<void> {
  await sql`
    UPDATE perennial.node SET link_error = ${error}
    WHERE id = ${node} AND keeper_epoch = ${epoch}`.execute(db);
}

/**
 * Credentials that node `n` has for certain: they are entitled there and have no mark. Credentials
 * that a seed or a change of plans has not reached yet are excluded.
 */
const fromConfirmed = (node: string) => sql`
  FROM perennial.credential c
  JOIN perennial.subscription s ON s.id = c.subscription_id
  JOIN perennial.plan p ON p.key = s.plan
  JOIN perennial.node n ON n.id = ${node}
  WHERE ${isEntitled()} AND (n.seeded_boot_at = n.boot_at OR c.id <= n.seed_after)
    AND NOT EXISTS (SELECT FROM perennial.access_sync m
      WHERE m.node_id = n.id AND m.credential_id = c.id)
    AND NOT EXISTS (SELECT FROM perennial.marking o WHERE o.node_id = n.id AND o.plan = p.key)`;

/** The number of credentials that the node has for certain. */
export async function countConfirmed(db: Db, node: string): Promise<number> {
  const { rows } = await sql<{ count: bigint }>`
    SELECT count(*) ${fromConfirmed(node)}`.execute(db);
  return Number(rows[0]?.count ?? 0n);
}

/** A sample of the credentials that the node has for certain, from a random one on. */
export async function readConfirmedSample(
  db: Db,
  node: string,
  max: number,
): Promise<ConfirmedCredential[]> {
  const some = (side: RawBuilder<boolean>) => sql`
    (SELECT c.id ${fromConfirmed(node)} AND ${side} ORDER BY c.id LIMIT ${max})`;
  const { rows } = await sql<ConfirmedCredential>`
    WITH start AS MATERIALIZED (SELECT gen_random_uuid() AS id), picked AS (
      ${some(sql`c.id >= (SELECT id FROM start)`)}
      UNION ALL ${some(sql`c.id < (SELECT id FROM start)`)} LIMIT ${max}
    )
    SELECT picked.id, i.name AS installation
    FROM picked CROSS JOIN perennial.installation i`.execute(db);
  return rows;
}

/** Those of these credentials that the node has for certain. */
export async function filterConfirmed<C extends ConfirmedCredential>(
  db: Db,
  node: string,
  credentials: readonly C[],
): Promise<C[]> {
  const ids = credentials.map(({ id }) => id);
  const { rows } = await sql<{ id: CredentialId }>`
    SELECT c.id ${fromConfirmed(node)} AND c.id = ${anyOf('uuid', ids)}`.execute(db);
  const still = new Set(rows.map(({ id }) => id));
  return credentials.filter(({ id }) => still.has(id));
}

/**
 * Credentials per chunk of a seed, about 20 ms, while the other lane applies its page. With 5 times
 * as many, both lanes waited for marks for a tenth of the time.
 */
const chunkMax = 2_000;

/**
 * Marks the next chunk of entitled credentials for a boot that lacks them. The marks are not
 * urgent, so removals run first. An existing mark keeps its failures but becomes due, because
 * another boot may accept a user that the last one refused. The cursor is stored in the node's row,
 * so the next keeper continues there. A credential that becomes live behind the cursor gets its
 * mark from the command that creates it.
 * @returns the marks so far, and whether they are complete; undefined if the lease is lost or the
 *   node restarted again
 */
export async function seedChunk(
  tx: Tx,
  { id: node, epoch }: Lease,
  bootAt: Instant,
  now: Instant,
): Promise<{ readonly marked: number; readonly done: boolean } | undefined> {
  // Without statistics PostgreSQL would sort all live credentials for each chunk.
  await sql`SET LOCAL enable_sort = off`.execute(tx);
  const insertMarks = buildMarkInsert({
    from: sql`mine CROSS JOIN chunk
      JOIN LATERAL (SELECT plan, state FROM perennial.subscription
        WHERE id = chunk.subscription_id LIMIT 1) s ON true
      JOIN perennial.plan p ON p.key = s.plan
      WHERE ${isEntitled({ credential: 'chunk', node: 'mine' })}`,
    node: sql`mine.id`,
    credential: sql`chunk.id`,
    urgent: sql`false`,
    dueAt: now,
    onConflict: 'advance',
  });
  const { rows } = await sql<{ marked: bigint; done: boolean }>`
    WITH mine AS (
      SELECT id, groups, seed_after FROM perennial.node
      WHERE id = ${node} AND keeper_epoch = ${epoch} AND boot_at = ${isoTime(bootAt)}
      FOR NO KEY UPDATE
    ), chunk AS (
      SELECT c.* FROM mine
      CROSS JOIN LATERAL (SELECT id, subscription_id, retired_at FROM perennial.credential
        WHERE retired_at IS NULL
          AND id > coalesce(mine.seed_after, '00000000-0000-0000-0000-000000000000')
        ORDER BY id LIMIT ${chunkMax}) c
    ), marked AS (
      ${insertMarks}
      RETURNING 1
    )
    UPDATE perennial.node n SET
      seed_after = coalesce((SELECT id FROM chunk ORDER BY id DESC LIMIT 1), n.seed_after),
      seed_marked = n.seed_marked + (SELECT count(*) FROM marked),
      seeded_boot_at = CASE WHEN EXISTS (SELECT FROM chunk) THEN NULL ELSE n.boot_at END
    FROM mine WHERE n.id = mine.id
    RETURNING n.seed_marked AS marked, n.seeded_boot_at IS NOT NULL AS done`.execute(tx);
  const [row] = rows;
  return row === undefined ? undefined : { marked: Number(row.marked), done: row.done };
}
