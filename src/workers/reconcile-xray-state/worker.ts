import { markChunk } from '../../access/marking-jobs.ts';
import { readClock } from '../../db/clock.ts';
import { inTransaction } from '../../db/connect.ts';
import type { JsonObject } from '../../db/schema.ts';
import type { RunId } from '../../kernel/ids.ts';
import { minuteMs } from '../../kernel/instant.ts';
import { mustStop, type RunContext } from '../../runs/run-context.ts';
import {
  countBatch,
  type OpenRun,
  type RunResult,
  type RunRow,
  withRunRecord,
} from '../../runs/run-record.ts';
import type { NodePreview } from '../../runs/worker.ts';
import { runConcurrently } from '../../xray/concurrency.ts';
import {
  type Comparison,
  type ComparisonOutcome,
  type ConnectNode,
  isComparisonFault,
  type OnUsers,
  reconcileNode,
} from './compare-node.ts';
import {
  type ListedNode,
  readComparisonState,
  readNodes,
  writeComparisonState,
} from './node-store.ts';
import { type NodePreviewContext, previewNodes } from './preview.ts';
import { dueStateOf, toStateAfterFailure, toStateAfterSuccess } from './rule.ts';
import { lockComparison } from './store.ts';

// reconcile-xray-state compares each due node with the database, a few nodes at a time.
//
// A fault of a node is written down and counted, and the other nodes continue. A fault of the
// database fails the run.

const reconcileWorkerName = 'reconcile-xray-state';
/** The interval of the runs. Each node stores when it is due. */
const reconcileEveryMs = minuteMs;

/** A node that hangs delays a quarter of the nodes, and memory holds four lists. */
const nodesAtOnceMax = 4;

export interface ReconcileContext extends RunContext {
  /** Only this node, also if it is not due. `'all'`: each node. */
  readonly nodeFilter?: string;
  readonly onNode?: (outcome: ComparisonOutcome) => void;
  readonly onUsers?: OnUsers;
  /** The actor in the timeline. The default is the worker. */
  readonly actor?: string;
}

class RunTotals {
  readonly counts: Record<string, number> = {};
  readonly errors: Record<string, string> = {};
  failed = 0;

  add({ kinds, foreign, newlyMarked, newlyConfirmed, held }: Comparison): void {
    const counts = { marked: newlyMarked, confirmed: newlyConfirmed, held };
    const more = { nodes: 1, ...kinds, foreign, ...counts };
    for (const [kind, count] of Object.entries(more)) {
      this.counts[kind] = (this.counts[kind] ?? 0) + count;
    }
  }

  /** Stores as many errors as a person reads. */
  addFailure(node: string, error: string): void {
    this.failed += 1;
    if (this.failed <= 20) this.errors[node] = error;
  }

  get detail(): JsonObject {
    return this.failed === 0 ? this.counts : { ...this.counts, errors: this.errors };
  }
}

/**
 * One run over the nodes that are due. A failure of the work is in the record.
 * @throws if the record cannot be written; the next run of this replica closes it
 */
export function reconcile(context: ReconcileContext, connect: ConnectNode): Promise<RunRow> {
  return withRunRecord(context, { worker: reconcileWorkerName }, (run) =>
    runComparisons(context, connect, run),
  );
}

/** The node was removed from the database meanwhile. */
const goneReason = 'the node was removed';

async function runComparisons(
  context: ReconcileContext,
  connect: ConnectNode,
  run: OpenRun,
): Promise<RunResult> {
  const totals = new RunTotals();
  run.detail = () => totals.detail;
  let hasWorkLeft = await continueMarking(context, run.id);
  await runConcurrently(await readDueNodes(context), nodesAtOnceMax, async (node) => {
    if (mustStop(context)) hasWorkLeft = true;
    else await compareOne(context, connect, run.id, totals, node);
  });
  const detail = hasWorkLeft ? { work_left: true } : {};
  if (totals.failed > 0 || (totals.counts.held ?? 0) > 0) return { outcome: 'degraded', detail };
  return { outcome: hasWorkLeft ? 'partial' : 'success', detail };
}

/**
 * Finishes `marking` jobs of a change of plans or nodes whose command was interrupted.
 * @returns true if jobs are left
 */
async function continueMarking(context: ReconcileContext, id: RunId): Promise<boolean> {
  for (;;) {
    if (mustStop(context)) return true;
    const marked = await inTransaction(context.db, async (tx) => {
      const chunk = await markChunk(tx, await readClock(tx));
      if (chunk === undefined) return undefined;
      const counts = { marked_after_change: chunk };
      await countBatch(tx, id, { examined: chunk, changed: chunk, failed: 0, counts });
      return chunk;
    });
    if (marked === undefined) return false;
  }
}

async function compareOne(
  context: ReconcileContext,
  connect: ConnectNode,
  id: RunId,
  totals: RunTotals,
  node: ListedNode,
): Promise<void> {
  const outcome = await reconcileOne(context, connect, node, async (tx, found) => {
    totals.add(found);
    const examined = found.users + found.kinds.missing;
    const changed = found.newlyMarked + found.newlyConfirmed;
    const counts = { examined, changed, failed: 0, detail: totals.detail };
    await countBatch(tx, id, counts);
  });
  if (outcome.is === 'failed') {
    totals.addFailure(node.id, outcome.fault.message);
    const { code } = outcome.fault;
    context.log.warn(
      { worker: reconcileWorkerName, item: node.id, code, err: outcome.fault },
      'node failed',
    );
    const counts = { examined: 0, changed: 0, failed: 1, detail: totals.detail };
    await inTransaction(context.db, (tx) => countBatch(tx, id, counts));
  }
  context.onNode?.(outcome);
}

async function readDueNodes({ db, nodeFilter }: ReconcileContext): Promise<ListedNode[]> {
  const nodes = await readNodes(db);
  if (nodeFilter !== undefined)
    return nodes.filter(({ id }) => nodeFilter === 'all' || nodeFilter === id);
  const now = await readClock(db);
  return nodes.filter((node) => ['due', 'trial'].includes(dueStateOf(node, now)));
}

type Tx = Parameters<typeof countBatch>[0];

async function reconcileOne(
  context: ReconcileContext,
  connect: ConnectNode,
  node: ListedNode,
  onCompared: (tx: Tx, found: Comparison) => Promise<void>,
): Promise<ComparisonOutcome> {
  await using connection = await context.replica.connect();
  const { db } = connection;
  const skipReason = await lockDueNode(db, node, context.nodeFilter !== undefined);
  if (skipReason !== undefined) return { node: node.id, is: 'left', reason: skipReason };
  try {
    const comparison = await reconcileNode(connection, connect, node, {
      signal: context.signal,
      dryRun: false,
      confirmed: context.confirmed ?? false,
      actor: context.actor ?? reconcileWorkerName,
      onUsers: context.onUsers,
    });
    const nodeExists = await inTransaction(db, async (tx) => {
      const stored = await writeComparisonState(
        tx,
        node.id,
        toStateAfterSuccess(await readClock(tx)),
        null,
      );
      if (stored) await onCompared(tx, comparison);
      return stored;
    });
    if (!nodeExists) return { node: node.id, is: 'left', reason: goneReason };
    return { node: node.id, is: 'compared', comparison };
  } catch (error) {
    if (!isComparisonFault(error)) throw error;
    if (error.code === 'node_cancelled') {
      return { node: node.id, is: 'left', reason: 'the comparison was interrupted' };
    }
    await inTransaction(db, async (tx) => {
      const before = (await readComparisonState(tx, node.id)) ?? node;
      await writeComparisonState(
        tx,
        node.id,
        toStateAfterFailure(before, await readClock(tx)),
        error.message,
      );
    });
    return { node: node.id, is: 'failed', fault: error };
  }
}

type Db = RunContext['db'];

/**
 * @returns the reason not to compare this node; undefined: the node is locked until the connection
 *   ends
 */
async function lockDueNode(
  db: Db,
  node: ListedNode,
  isRequested: boolean,
): Promise<string | undefined> {
  if (!(await lockComparison(db, node.id))) return 'another run compares the node';
  // Another replica may have written since the nodes were read. Only one replica makes the trial.
  const stored = await readComparisonState(db, node.id);
  if (stored === undefined) return goneReason;
  const dueState = dueStateOf(stored, await readClock(db));
  return isRequested || dueState === 'due' || dueState === 'trial'
    ? undefined
    : 'the node is no longer due';
}

/** The worker. `connect` reaches the nodes. */
export function reconcileXrayState(connect: ConnectNode) {
  return {
    name: reconcileWorkerName,
    everyMs: reconcileEveryMs,
    run: (context: RunContext): Promise<RunRow> => reconcile(context, connect),
    preview: (context: NodePreviewContext, report: (preview: NodePreview) => void) =>
      previewNodes(context, connect, report),
  };
}
