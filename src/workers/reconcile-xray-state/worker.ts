import { readClock } from '../../db/clock.ts';
import { inTransaction } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
import type { JsonObject, RunOutcome } from '../../db/schema.ts';
import type { RunId } from '../../kernel/ids.ts';
import { minuteMs } from '../../kernel/instant.ts';
import { markStretch } from '../../subscription/marking.ts';
import { eachInFlight } from '../../xray/in-flight.ts';
import { unfitness } from '../fitness.ts';
import type { RunContext } from '../run-context.ts';
import { countBatch, finishRun, type RunRow, reserveRunId, startRun } from '../run-record.ts';
import type { NodePreview } from '../worker.ts';
import { type ListedNode, readNodes, readStored, writeStored } from './node-store.ts';
import {
  type ConnectNode,
  type Found,
  isOfNode,
  type NodeEnd,
  type OnUsers,
  reconcileNode,
} from './one-node.ts';
import { type NodePreviewContext, previewNodes } from './preview.ts';
import { afterFailure, afterSuccess, turnOf } from './rule.ts';
import { takeTurn } from './store.ts';

// Compares each node that is due with the books, a few at a time. A node that fails is that node's
// failure alone: it is written down, counted, and the others go on. The database failing is the
// run's.

export const name = 'reconcile-xray-state';
/** A tick: which nodes are due is stored with each of them. */
export const everyMs = minuteMs;

/** Nodes at once: one that hangs holds up a quarter of them, and memory has four answers. */
const atOnce = 4;

export interface NodeRun extends RunContext {
  /** Only this node, whether it is due or not: somebody asks. `'all'`: each, likewise. */
  readonly asked?: string;
  readonly onNode?: (end: NodeEnd) => void;
  readonly onUsers?: OnUsers;
  /** Who asks, for the timeline; the worker itself unless somebody is said. */
  readonly actor?: string;
}

class Totals {
  readonly counts: Record<string, number> = {};
  readonly errors: Record<string, string> = {};
  failed = 0;

  add({ kinds, foreign, newlyMarked, newlyConfirmed, held }: Found): void {
    const counts = { marked: newlyMarked, confirmed: newlyConfirmed, held };
    const more = { nodes: 1, ...kinds, foreign, ...counts };
    for (const [kind, count] of Object.entries(more)) {
      this.counts[kind] = (this.counts[kind] ?? 0) + count;
    }
  }

  /** As many as a person reads. */
  fail(node: string, error: string): void {
    this.failed += 1;
    if (this.failed <= 20) this.errors[node] = error;
  }

  get detail(): JsonObject {
    return this.failed === 0 ? this.counts : { ...this.counts, errors: this.errors };
  }
}

/**
 * One run over the nodes that are due. What goes wrong in the work is in its record.
 * @throws when the record itself could not be written; the next run of this replica closes it.
 */
export async function reconcile(context: NodeRun, connect: ConnectNode): Promise<RunRow> {
  const { db, replica } = context;
  const id = await reserveRunId(db);
  try {
    await startRun(db, id, name, replica, await readClock(db));
    const { outcome, detail } = await carriedOut(context, connect, id);
    return await finishRun(db, id, await readClock(db), outcome, detail);
  } catch (error) {
    replica.unclosed.add(id);
    throw error;
  }
}

/** It was struck from the books meanwhile. */
const isGone = 'it is gone';

interface Ended {
  readonly outcome: Exclude<RunOutcome, 'running'>;
  readonly detail: JsonObject;
}

async function carriedOut(context: NodeRun, connect: ConnectNode, id: RunId): Promise<Ended> {
  const { db, log, signal } = context;
  const totals = new Totals();
  let left = false;
  try {
    const unfit = await unfitness(db, name, log);
    if (unfit !== undefined) return { outcome: 'skipped', detail: { ...unfit } };
    left = await marksLeft(context, id);
    await eachInFlight(await dueNodes(context), atOnce, async (node) => {
      if (signal.aborted || context.elapsedMs() >= context.budgetMs) left = true;
      else await oneOf(context, connect, id, totals, node);
    });
  } catch (error) {
    const { kind, code, message } = faultOf(error);
    log.error({ worker: name, code, err: error }, 'run failed');
    return { outcome: 'failed', detail: { ...totals.detail, kind, code, error: message } };
  }
  const detail = left ? { ...totals.detail, work_left: true } : totals.detail;
  if (totals.failed > 0 || (totals.counts.held ?? 0) > 0) return { outcome: 'degraded', detail };
  return { outcome: left ? 'partial' : 'success', detail };
}

/**
 * Marks what a change of plans or nodes still has to, where whoever made it was broken off.
 * @returns whether something is left of it
 */
async function marksLeft({ db, signal, ...context }: NodeRun, id: RunId): Promise<boolean> {
  for (;;) {
    if (signal.aborted || context.elapsedMs() >= context.budgetMs) return true;
    const marked = await inTransaction(db, async (tx) => {
      const stretch = await markStretch(tx, await readClock(tx));
      if (stretch === undefined) return undefined;
      const counts = { marked_after_change: stretch };
      await countBatch(tx, id, { examined: stretch, changed: stretch, failed: 0, counts });
      return stretch;
    });
    if (marked === undefined) return false;
  }
}

async function oneOf(
  context: NodeRun,
  connect: ConnectNode,
  id: RunId,
  totals: Totals,
  node: ListedNode,
): Promise<void> {
  const end = await reconcileOne(context, connect, node, async (tx, found) => {
    totals.add(found);
    const examined = found.users + found.kinds.missing;
    const changed = found.newlyMarked + found.newlyConfirmed;
    const counts = { examined, changed, failed: 0, detail: totals.detail };
    await countBatch(tx, id, counts);
  });
  if (end.end === 'failed') {
    totals.fail(node.id, end.fault.message);
    const { code } = end.fault;
    context.log.warn({ worker: name, item: node.id, code, err: end.fault }, 'node failed');
    const counts = { examined: 0, changed: 0, failed: 1, detail: totals.detail };
    await inTransaction(context.db, (tx) => countBatch(tx, id, counts));
  }
  context.onNode?.(end);
}

async function dueNodes({ db, asked }: NodeRun): Promise<ListedNode[]> {
  const nodes = await readNodes(db);
  if (asked !== undefined) return nodes.filter(({ id }) => asked === 'all' || asked === id);
  const now = await readClock(db);
  return nodes.filter((node) => ['due', 'trial'].includes(turnOf(node, now)));
}

type Tx = Parameters<typeof countBatch>[0];

async function reconcileOne(
  context: NodeRun,
  connect: ConnectNode,
  node: ListedNode,
  counted: (tx: Tx, found: Found) => Promise<void>,
): Promise<NodeEnd> {
  await using connection = await context.replica.connect();
  const { db } = connection;
  const turn = await turnTaken(db, node, context.asked !== undefined);
  if (turn !== undefined) return { node: node.id, end: 'left', reason: turn };
  try {
    const found = await reconcileNode(connection, connect, node, {
      signal: context.signal,
      dryRun: false,
      confirmed: context.confirmed ?? false,
      actor: context.actor ?? name,
      onUsers: context.onUsers,
    });
    const isThere = await inTransaction(db, async (tx) => {
      const stored = await writeStored(tx, node.id, afterSuccess(await readClock(tx)), null);
      if (stored) await counted(tx, found);
      return stored;
    });
    if (!isThere) return { node: node.id, end: 'left', reason: isGone };
    return { node: node.id, end: 'compared', found };
  } catch (error) {
    if (!isOfNode(error)) throw error;
    if (error.code === 'node_cancelled') {
      return { node: node.id, end: 'left', reason: 'it was interrupted' };
    }
    await inTransaction(db, async (tx) => {
      const before = (await readStored(tx, node.id)) ?? node;
      await writeStored(tx, node.id, afterFailure(before, await readClock(tx)), error.message);
    });
    return { node: node.id, end: 'failed', fault: error };
  }
}

type Db = RunContext['db'];

/** Why it isn't this run's turn; undefined: it is, and nobody else's until the connection ends. */
async function turnTaken(db: Db, node: ListedNode, asked: boolean): Promise<string | undefined> {
  if (!(await takeTurn(db, node.id))) return 'another run is at it';
  // What another replica wrote since these were read: of a trial there is one.
  const stored = await readStored(db, node.id);
  if (stored === undefined) return isGone;
  const turn = turnOf(stored, await readClock(db));
  return asked || turn === 'due' || turn === 'trial' ? undefined : 'it is not due any more';
}

/** The worker, for nodes that are reached by `connect`. */
export function reconcileXrayState(connect: ConnectNode) {
  return {
    name,
    everyMs,
    run: (context: RunContext): Promise<RunRow> => reconcile(context, connect),
    preview: (context: NodePreviewContext, report: (preview: NodePreview) => void) =>
      previewNodes(context, connect, report),
  };
}
