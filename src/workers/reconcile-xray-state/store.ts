import { type RawBuilder, sql } from 'kysely';
import { isLive, opensNode } from '../../access/entitlement.ts';
import { buildMarkInsert } from '../../access/marks.ts';
import { wakeKeepers } from '../../access/wake.ts';
import type { Db, Tx } from '../../db/connect.ts';
import type { CredentialId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { DriftKind } from './rule.ts';

// The comparison of a node's list with the database, in PostgreSQL.
//
// Two temporary tables of one connection: `listed` has the users of the node, and `drift` has the
// differences. One statement reads all live credentials. It begins after the list is complete, so
// the database is always newer than the list (X1).

/** One comparison of a node at a time, over all replicas. The lock is freed with the connection. */
export async function lockComparison(db: Db, node: string): Promise<boolean> {
  const { rows } = await sql<{ taken: boolean }>`
    SELECT pg_try_advisory_lock(hashtext('perennial.reconcile'), hashtext(${node})) AS taken`.execute(
    db,
  );
  return rows[0]?.taken === true;
}

/**
 * `ours` is the credential in a name of this installation. Such a name is not stored, because it
 * has no further content: a million of them are 50 MB to send, write and read again.
 */
export async function createListedTable(db: Db): Promise<void> {
  await sql`DROP TABLE IF EXISTS listed`.execute(db);
  await sql`
    CREATE TEMPORARY TABLE listed (
      inbound smallint NOT NULL, name text, ours uuid, id uuid, flow text NOT NULL)`.execute(db);
}

export interface ComparisonInput {
  readonly node: string;
  /** Before the node was listed. A credential that was issued later may be missing (X2). */
  readonly startedAt: Instant;
  /** By the position in `listed`: whether its users have a flow. Former inbounds follow. */
  readonly inbounds: readonly { readonly hasFlow: boolean }[];
}

/** The flow of the customers' links as the node needs it. NULL: a flow that no node accepts. */
const linkFlow = sql`CASE coalesce(n.link->>'flow', '')
  WHEN '' THEN '' WHEN 'xtls-rprx-vision' THEN 'xtls-rprx-vision'
  WHEN 'xtls-rprx-vision-udp443' THEN 'xtls-rprx-vision' END`;

/** For one comparison: two hashes of a million UUIDs fit into it. It is freed afterwards. */
const workMemory = '64MB';

/** Fills `drift` with a row for each user that differs between the node and the database. */
export async function writeDrift(
  db: Db,
  { node, startedAt, inbounds }: ComparisonInput,
): Promise<void> {
  const withFlow = inbounds.flatMap(({ hasFlow }, at) => (hasFlow ? [at] : []));
  await sql`SET work_mem = ${sql.lit(workMemory)}`.execute(db);
  // Without statistics PostgreSQL would read each credential by index.
  await sql`SET enable_nestloop = off`.execute(db);
  await sql`ANALYZE listed`.execute(db);
  await sql`DROP TABLE IF EXISTS drift`.execute(db);
  await sql`
    CREATE TEMPORARY TABLE drift (
      n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, credential_id uuid,
      name text, ours uuid, marked boolean NOT NULL)`.execute(db);
  await sql`
    INSERT INTO drift (kind, credential_id, name, ours, marked)
    WITH node AS MATERIALIZED (
      SELECT i.name || '-' AS prefix, ${linkFlow} AS flow,
        ARRAY(SELECT p.key FROM perennial.plan p WHERE ${opensNode()}) AS plans
      FROM perennial.node n CROSS JOIN perennial.installation i WHERE n.id = ${node}
    ), wanted AS (
      SELECT c.id, c.issued_at <= ${isoTime(startedAt)} AS old FROM perennial.credential c
      JOIN perennial.subscription s ON s.id = c.subscription_id
      WHERE ${isLive()} AND s.plan = ANY ((SELECT plans FROM node)::text[])
    ), shared AS MATERIALIZED (
      SELECT DISTINCT coalesce(l.name, node.prefix || l.ours) AS name, l.ours, l.credential_id
      FROM (
        SELECT name, ours, (SELECT c.id FROM perennial.credential c WHERE c.id = listed.id)
          AS credential_id
        FROM listed WHERE ours IS DISTINCT FROM id AND inbound < ${inbounds.length}) l
      CROSS JOIN node
      WHERE l.credential_id IS NOT NULL
    ), ours AS (
      SELECT l.ours AS id, count(*) FILTER (WHERE l.inbound < ${inbounds.length}) AS inbounds,
        bool_or(l.inbound >= ${inbounds.length} OR l.id IS DISTINCT FROM l.ours
          OR l.flow <> CASE WHEN l.inbound = ANY (${withFlow}::int[]) THEN node.flow ELSE '' END
        ) AS different
      FROM listed l CROSS JOIN node
      WHERE l.ours IS NOT NULL
      GROUP BY l.ours
    ), differing AS (
      SELECT w.id AS wanted, o.id AS ours, o.different,
        coalesce(w.id, (SELECT k.id FROM perennial.credential k WHERE k.id = o.id)) AS credential_id
      FROM wanted w FULL JOIN ours o ON o.id = w.id
      WHERE (w.id IS NULL OR w.old AND o.id IS NULL OR o.inbounds < ${inbounds.length} OR o.different)
        AND NOT EXISTS (SELECT FROM shared WHERE shared.ours = coalesce(w.id, o.id))
    ), found AS (
      SELECT CASE WHEN d.credential_id IS NULL THEN 'unknown' WHEN d.wanted IS NULL THEN 'unwanted'
          WHEN d.different THEN 'different' ELSE 'missing' END AS kind,
        d.credential_id, node.prefix || d.ours AS name, d.ours
      FROM differing d CROSS JOIN node
      UNION ALL SELECT 'conflict', credential_id, name, ours FROM shared
    )
    SELECT f.kind, f.credential_id, f.name, f.ours, CASE
      WHEN f.kind IN ('unknown', 'conflict') THEN EXISTS (SELECT FROM perennial.stray x
        JOIN perennial.node n ON n.id = x.node_id
        WHERE x.node_id = ${node} AND x.name = f.name
          AND x.shared IS NOT DISTINCT FROM f.credential_id
          AND (x.boot_at IS NULL OR x.boot_at = n.boot_at))
      ELSE EXISTS (SELECT FROM perennial.access_sync m
        WHERE m.node_id = ${node} AND m.credential_id = f.credential_id)
        -- A change is being marked: they are on their way.
        OR EXISTS (SELECT FROM perennial.marking o WHERE o.node_id = ${node}) END
    FROM found f`.execute(db);
  // The statements after this one read pages of `drift`.
  await sql`RESET enable_nestloop`.execute(db);
}

export interface DriftCounts {
  readonly kinds: Readonly<Record<DriftKind, number>>;
  /** The part that already had a mark or a confirmation. */
  readonly marked: number;
  /** Unwanted users without a mark. */
  readonly toRemove: number;
  /** Our names on the node. */
  readonly ours: number;
  /** Foreign names on the node. */
  readonly foreign: number;
}

export async function readDriftCounts(db: Db): Promise<DriftCounts> {
  const { rows } = await sql<{ kind: DriftKind; all: bigint; marked: bigint }>`
    SELECT kind, count(*) AS all, count(*) FILTER (WHERE marked) AS marked
    FROM drift GROUP BY kind`.execute(db);
  // A name is on one inbound only once. Only a name on several inbounds must be counted once.
  const { rows: names } = await sql<{ ours: bigint; foreign: bigint }>`
    SELECT CASE WHEN severally THEN (SELECT count(DISTINCT ours) FROM listed)
        ELSE (SELECT count(ours) FROM listed) END AS ours,
      CASE WHEN severally THEN (SELECT count(DISTINCT name) FROM listed WHERE ours IS NULL)
        ELSE (SELECT count(*) FROM listed WHERE ours IS NULL) END AS foreign
    FROM (SELECT EXISTS (SELECT FROM listed WHERE inbound > 0) AS severally) places`.execute(db);
  const by = (kind: DriftKind) => rows.find((row) => row.kind === kind);
  const all = (kind: DriftKind) => Number(by(kind)?.all ?? 0n);
  return {
    kinds: {
      missing: all('missing'),
      unwanted: all('unwanted'),
      different: all('different'),
      unknown: all('unknown'),
      conflict: all('conflict'),
    },
    marked: rows.reduce((sum, row) => sum + Number(row.marked), 0),
    toRemove: all('unwanted') - Number(by('unwanted')?.marked ?? 0n),
    ours: Number(names[0]?.ours ?? 0n),
    foreign: Number(names[0]?.foreign ?? 0n),
  };
}

/**
 * Stores the unmarked differences, for `deleteUnrepeated` after the next comparison. @returns their
 * count
 */
export async function saveDrift(db: Db): Promise<number> {
  await sql`DROP TABLE IF EXISTS drift_before`.execute(db);
  await sql`
    CREATE TEMPORARY TABLE drift_before AS
    SELECT kind, coalesce(credential_id::text, '') AS credential, coalesce(name, '') AS name
    FROM drift WHERE NOT marked`.execute(db);
  const { rows } = await sql<{ kept: bigint }>`SELECT count(*) AS kept FROM drift_before`.execute(
    db,
  );
  return Number(rows[0]?.kept ?? 0n);
}

const repeated = sql`EXISTS (SELECT FROM drift_before b WHERE b.kind = d.kind
  AND b.credential = coalesce(d.credential_id::text, '') AND b.name = coalesce(d.name, ''))`;

/** The number of unmarked differences of a kind that the previous comparison also found. */
export async function readRepeatedCount(db: Db, kind: DriftKind): Promise<number> {
  await sql`ANALYZE drift_before`.execute(db);
  const { rows } = await sql<{ count: bigint }>`
    SELECT count(*) FROM drift d WHERE d.kind = ${kind} AND NOT d.marked AND ${repeated}`.execute(
    db,
  );
  return Number(rows[0]?.count ?? 0n);
}

/** Keeps in `drift` only unmarked differences that the previous comparison also found. */
export async function deleteUnrepeated(db: Db, withoutMissing: boolean): Promise<void> {
  await sql`ANALYZE drift_before`.execute(db);
  await sql`
    DELETE FROM drift d WHERE d.marked OR (d.kind = 'missing' AND ${withoutMissing})
      OR NOT ${repeated}`.execute(db);
}

export interface Drift {
  readonly n: bigint;
  readonly kind: DriftKind;
  readonly marked: boolean;
  /** The name on the node. null: the user is not on the node. */
  readonly name: string | null;
  /** null: the database does not have the credential. */
  readonly credentialId: CredentialId | null;
  readonly subscriptionId: SubscriptionId | null;
  readonly telegramId: bigint | null;
}

const withOwner = (from: RawBuilder<unknown>): RawBuilder<Drift> => sql<Drift>`
  SELECT d.n, d.kind, d.marked, d.name, d.credential_id AS "credentialId",
    c.subscription_id AS "subscriptionId", u.telegram_id AS "telegramId"
  FROM (${from}) d LEFT JOIN perennial.credential c ON c.id = d.credential_id
  LEFT JOIN perennial.customer u ON u.id = c.customer_id ORDER BY d.n`;

/** The first differences of each kind. */
export async function readDriftSample(db: Db, maxPerKind: number): Promise<Drift[]> {
  const each = sql`
    SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY n) AS place FROM drift) p
    WHERE place <= ${maxPerKind}`;
  return (await withOwner(each).execute(db)).rows;
}

/** A page of all differences. */
export async function readDriftPage(db: Db, after: bigint, max: number): Promise<Drift[]> {
  const page = sql`SELECT * FROM drift WHERE n > ${after} ORDER BY n LIMIT ${max}`;
  return (await withOwner(page).execute(db)).rows;
}

export interface DriftMarking {
  readonly node: string;
  readonly kinds: readonly DriftKind[];
  readonly now: Instant;
}

/**
 * Marks the differences of these kinds with a number in `(after, upTo]`. Removals are urgent, as
 * each new removal is. An existing mark stays, because its keeper reads the database before it
 * acts. A removed node has no marks.
 */
export async function markDrift(
  tx: Tx,
  { node, kinds, now }: DriftMarking,
  after: number,
  upTo: number,
): Promise<number> {
  const { numAffectedRows } = await buildMarkInsert({
    from: sql`drift d JOIN perennial.node n ON n.id = ${node}
      WHERE d.n > ${after} AND d.n <= ${upTo} AND d.kind = ANY (${kinds}) AND NOT d.marked`,
    node: sql`n.id`,
    credential: sql`d.credential_id`,
    urgent: sql`d.kind = 'unwanted'`,
    replace: sql`d.kind = 'different'`,
    dueAt: now,
    onConflict: 'replace',
  }).execute(tx);
  if ((numAffectedRows ?? 0n) > 0n) await wakeKeepers(tx);
  return Number(numAffectedRows ?? 0n);
}

export async function readLastDriftNumber(db: Db): Promise<number> {
  const { rows } = await sql<{ n: bigint }>`SELECT coalesce(max(n), 0) AS n FROM drift`.execute(db);
  return Number(rows[0]?.n ?? 0n);
}
