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

// A change of plans or nodes may concern everybody. What is to be marked is written with the change,
// an order for each node and plan whose customers it concerns, and carried out after its commit:
// stretch by stretch, each a transaction of its own. Whoever buys meanwhile either is there when
// his stretch is read, or leaves a mark of his own after the change, which a keeper works off by
// what is true then. Marked in the transaction of the change, he could be neither: the keeper
// confirms his mark by what was true before, and nothing is left that tells of the change.
//
// A stretch raises the versions of marks that are there: a keeper that works with one read before
// the change doesn't confirm it.

/** What a plan opens on a node, as the node has to know it. */
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
  /** They lose access: they go first. */
  readonly urgent: boolean;
  readonly replace: boolean;
  /** They lose an inbound: they go first too, and keep the others. */
  readonly removes: boolean;
}

const normalizeTags = (tags: readonly string[]) => JSON.stringify([...new Set(tags)].sort());

/** Who has to be marked after a change; undefined: nobody. */
export function computeMarkingJob(before: PlanAccess, after: PlanAccess): MarkingJob | undefined {
  const { node, plan } = after;
  if (!after.open) {
    return before.open ? { node, plan, urgent: true, replace: false, removes: false } : undefined;
  }
  // An add doesn't change the flow of a user who is there, and one who lost access may still be.
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

/** One change of nodes or of what plans open at a time; waits for stretches that are under way. */
export async function lockMarkingJobs(tx: Tx): Promise<void> {
  await sql`LOCK TABLE perennial.marking IN EXCLUSIVE MODE`.execute(tx);
}

/**
 * Changes plans or nodes, and writes down who is to be marked for it; `finishMarking` after the
 * commit marks them. A node that comes with the change has its keeper, who fills it.
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
 * Credentials looked at in one stretch. Where it takes longest, on a machine with six times as much to
 * do as it can, it was under 2 s; who waits for one of its marks gives up after 5.
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
 * Marks the next stretch of what is ordered, removals first. The order is locked by a statement of
 * its own: what is read after it is of a moment after the change, also if that changed again.
 * Skips what somebody else is at, who goes on with it.
 * @returns how many were marked; undefined: nothing is left to be begun
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
 * Marks whatever is ordered, unless somebody else is at it. What is broken off is finished by the
 * next one who comes: reconcile-xray-state looks once a minute.
 * @returns how many it marked
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
