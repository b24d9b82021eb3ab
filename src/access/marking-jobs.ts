import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { unnest } from '../db/unnest.ts';
import type { CredentialId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { toNodeFlow } from '../xray/flow.ts';
import { opensNode } from './entitlement.ts';
import { buildMarkInsert } from './marks.ts';
import { wakeKeepers } from './wake.ts';

// Marking jobs: the credentials that need a mark after a change of plans or nodes.
//
// 1. The transaction of the change writes one job for each node and plan whose access differs.
// 2. The jobs run after the commit, chunk by chunk. Each chunk is a separate transaction.
// 3. A purchase after the change marks its own credential. All earlier credentials are in a chunk.
// 4. A chunk raises the version of an existing mark. So a keeper that read the mark before the
//    change cannot confirm it.
//
// The marks cannot be part of the change. A purchase could commit between the read and the commit:
// its keeper would confirm it by the old plan, and no mark would be left.

/** The access that a plan has to a node. */
export interface PlanAccess {
  readonly node: string;
  readonly plan: string;
  readonly open: boolean;
  readonly inbounds: readonly string[];
  readonly flow: string | null;
}

export interface MarkingJob {
  readonly node: string;
  readonly plan: string;
  /** The credentials lose access, so their marks are urgent. */
  readonly urgent: boolean;
  readonly replace: boolean;
  /** The credentials lose one inbound and keep the others. These marks are urgent too. */
  readonly removes: boolean;
}

const normalizeTags = (tags: readonly string[]) => JSON.stringify([...new Set(tags)].sort());

/** Compares the access before and after a change. @returns undefined: no mark is needed */
export function computeMarkingJob(before: PlanAccess, after: PlanAccess): MarkingJob | undefined {
  const { node, plan } = after;
  if (!after.open) {
    return before.open ? { node, plan, urgent: true, replace: false, removes: false } : undefined;
  }
  // An add does not change the flow of an existing user. A user who lost access may still exist.
  const replace =
    (toNodeFlow(before.flow) ?? before.flow) !== (toNodeFlow(after.flow) ?? after.flow);
  const isSame = before.open && normalizeTags(before.inbounds) === normalizeTags(after.inbounds);
  const removes = before.open && before.inbounds.some((tag) => !after.inbounds.includes(tag));
  return isSame && !replace ? undefined : { node, plan, urgent: removes, replace, removes };
}

async function readPlanAccess(tx: Tx): Promise<Map<string, PlanAccess>> {
  const { rows } = await sql<PlanAccess>`
    SELECT n.id AS node, p.key AS plan, ${opensNode()} AS open, n.inbounds,
      n.link->>'flow' AS flow
    FROM perennial.node n CROSS JOIN perennial.plan p`.execute(tx);
  return new Map(rows.map((row) => [JSON.stringify([row.node, row.plan]), row]));
}

/** Serializes changes of nodes and plans. Waits for chunks in progress. */
export async function lockMarkingJobs(tx: Tx): Promise<void> {
  await sql`LOCK TABLE perennial.marking IN EXCLUSIVE MODE`.execute(tx);
}

/**
 * Changes plans or nodes, and writes the marking jobs. Call `runMarkingJobs` after the commit. A
 * node that is new with the change has no job: its keeper marks all entitled credentials.
 */
export async function withMarkingJobs(
  tx: Tx,
  now: Instant,
  change: () => Promise<void>,
): Promise<void> {
  await lockMarkingJobs(tx);
  const before = await readPlanAccess(tx);
  await change();
  const jobs: MarkingJob[] = [];
  for (const [key, after] of await readPlanAccess(tx)) {
    const accessBefore = before.get(key);
    const job = accessBefore === undefined ? undefined : computeMarkingJob(accessBefore, after);
    if (job !== undefined) jobs.push(job);
  }
  if (jobs.length === 0) return;
  await sql`
    INSERT INTO perennial.marking (node_id, plan, urgent, replace, removes, ordered_at)
    SELECT o.node, o.plan, o.urgent, o.replace, o.removes, ${isoTime(now)}::timestamptz
    FROM ${unnest('o', jobs, {
      node: ['text', (job) => job.node],
      plan: ['text', (job) => job.plan],
      urgent: ['boolean', (job) => job.urgent],
      replace: ['boolean', (job) => job.replace],
      removes: ['boolean', (job) => job.removes],
    })}
    ON CONFLICT (node_id, plan) DO UPDATE SET
      urgent = excluded.urgent OR marking.removes,
      replace = marking.replace OR excluded.replace,
      removes = marking.removes OR excluded.removes, after = NULL,
      ordered_at = excluded.ordered_at`.execute(tx);
}

/**
 * Credentials per chunk. The slowest chunk took under 2 s on a machine with six times its load. A
 * transaction that waits for one of these marks fails after 5 s.
 */
const chunkMax = 10_000;

interface MarkingJobRow {
  readonly id: bigint;
  readonly node: string;
  readonly plan: string;
  readonly urgent: boolean;
  readonly replace: boolean;
  readonly removes: boolean;
  readonly after: CredentialId | null;
  readonly orderedAt: Instant;
}

/**
 * Marks the next chunk, removals first. The job is locked by a separate statement, so the next
 * statement reads a state after the change. Skips jobs that another session has locked.
 * @returns the number of marks; undefined: no job is free
 */
export async function markChunk(tx: Tx, now: Instant): Promise<number | undefined> {
  const { rows: jobs } = await sql<MarkingJobRow>`
    SELECT id, node_id AS node, plan, urgent, replace, removes, after, ordered_at AS "orderedAt"
    FROM perennial.marking ORDER BY urgent DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED`.execute(tx);
  const [job] = jobs;
  if (job === undefined) return undefined;
  const insertMarks = buildMarkInsert({
    from: sql`chunk JOIN perennial.subscription s ON s.id = chunk.subscription_id
      WHERE s.plan = ${job.plan}`,
    node: sql`${job.node}::text`,
    credential: sql`chunk.id`,
    urgent: sql`${job.urgent}::boolean`,
    replace: sql`${job.replace}::boolean`,
    removes: sql`${job.removes}::boolean`,
    dueAt: now,
    markedAt: job.orderedAt,
    onConflict: 'restart',
  });
  const { rows } = await sql<{ last: CredentialId | null; marked: bigint }>`
    WITH chunk AS (
      SELECT id, subscription_id FROM perennial.credential
      WHERE retired_at IS NULL
        AND id > coalesce(${job.after}::uuid, '00000000-0000-0000-0000-000000000000')
      ORDER BY id LIMIT ${chunkMax}
    ), marked AS (
      ${insertMarks}
      RETURNING 1
    )
    SELECT (SELECT id FROM chunk ORDER BY id DESC LIMIT 1) AS last,
      (SELECT count(*) FROM marked) AS marked`.execute(tx);
  const { last, marked } = rows[0] as { last: CredentialId | null; marked: bigint };
  await (last === null
    ? sql`DELETE FROM perennial.marking WHERE id = ${job.id}`
    : sql`UPDATE perennial.marking SET after = ${last} WHERE id = ${job.id}`
  ).execute(tx);
  if (marked > 0n) await wakeKeepers(tx);
  return Number(marked);
}

/**
 * Runs all marking jobs that no other session runs. After an interruption the next run of
 * reconcile-xray-state finishes them, at most a minute later.
 * @returns the number of marks
 */
export async function runMarkingJobs(
  db: Db,
  onMarked: (marked: number) => void = () => undefined,
): Promise<number> {
  let marked = 0;
  for (;;) {
    const count = await inTransaction(db, async (tx) => markChunk(tx, await readClock(tx)));
    if (count === undefined) return marked;
    marked += count;
    onMarked(marked);
  }
}
