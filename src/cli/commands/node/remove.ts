import type { Command } from 'commander';
import { lockMarkingJobs, runMarkingJobs } from '../../../access/marking-jobs.ts';
import { computeImpact, withNode } from '../../../catalog/access-impact.ts';
import { readAccessState, requireConfirmedRemovals } from '../../../catalog/access-state.ts';
import { listNamedNodes, type NodeStatus } from '../../../catalog/nodes.ts';
import { deleteNode, drainNode } from '../../../catalog/remove-node.ts';
import { type Db, inTransaction } from '../../../db/connect.ts';
import { readTrustedTime } from '../../../db/trusted-time.ts';
import { formatCount } from '../../../kernel/count.ts';
import { refused } from '../../../kernel/faults.ts';
import { compareNodes } from '../../../workers/reconcile-xray-state/preview.ts';
import { connectNode } from '../../../xray/grpc/client.ts';
import { createWholeParser } from '../../arguments.ts';
import {
  buildCommand,
  type CommandDatabase,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';

interface Options extends CommonOptions {
  readonly forget?: boolean;
  /** How many running subscriptions may lose access. */
  readonly confirmRemovals?: number;
}

/**
 * `perennial node remove ID`, in two calls. The first one drains the node: its keeper removes our
 * users. A call after that deletes the node from the database. No command waits for a node.
 */
export function buildNodeRemoveCommand(open: DatabaseOpener): Command {
  return buildCommand('remove <ID>', 'drain a node, then delete it from the database')
    .option('--forget', 'delete the node at once; our users stay on it [drain it first]')
    .option(
      '--confirm-removals <N>',
      'confirm that N running subscriptions lose access; required above max(20, 10%) [not confirmed]',
      createWholeParser(0, Number.MAX_SAFE_INTEGER),
    )
    .action((id: string, options: Options) =>
      withDatabase(open, options, async (database) => {
        const [node] = await listNamedNodes(database.db, id);
        const state = await advanceRemoval(database, node as NodeStatus, options);
        printResult(options, { id, ...state }, () => formatRemoval(id, state));
      }),
    );
}

interface RemovalState {
  readonly state: 'draining' | 'removed';
  readonly marks_waiting: number;
}

async function advanceRemoval(
  database: CommandDatabase,
  node: NodeStatus,
  options: Options,
): Promise<RemovalState> {
  const { db } = database;
  if (options.forget !== true) {
    if (!node.leaving) await startDrain(db, node.id, options);
    await runMarkingJobs(db);
    const [current] = await listNamedNodes(db, node.id);
    const { waiting, marking } = current as NodeStatus;
    if (waiting > 0n || marking) return { state: 'draining', marks_waiting: Number(waiting) };
    await requireEmpty(database, node.id);
  }
  await inTransaction(db, async (tx) => deleteNode(tx, node.id, 'cli', await readTrustedTime(tx)));
  return { state: 'removed', marks_waiting: 0 };
}

/** Counts the lost access in the transaction of the change. @throws UsageFault */
async function startDrain(db: Db, id: string, { confirmRemovals }: Options): Promise<void> {
  await inTransaction(db, async (tx) => {
    await lockMarkingJobs(tx);
    const now = await readTrustedTime(tx);
    const before = await readAccessState(tx, now);
    const after = withNode(before, id, { groups: [], inbounds: [] });
    const running = [...before.running.values()].reduce((sum, count) => sum + count, 0);
    const place = `node remove ${id}`;
    requireConfirmedRemovals(computeImpact(before, after), running, confirmRemovals, place);
    await drainNode(tx, id, 'cli', now);
  });
}

/** Reads the users of the node after the last confirmation. @throws Fault `node_not_empty` */
async function requireEmpty({ db, url }: CommandDatabase, id: string): Promise<void> {
  const { signal } = new AbortController();
  const [end] = await compareNodes({ db, url, signal }, connectNode, id);
  if (end?.is === 'failed') {
    throw refused(
      'node_not_asked',
      `${end.fault.message}; its users cannot be counted. Run this command again when the node is reachable, or pass --forget`,
    );
  }
  if (end?.is !== 'compared' || end.comparison.ours === 0) return;
  throw refused(
    'node_not_empty',
    `node ${id}: ${formatCount(end.comparison.ours, 'user')} of ours left. Run this command again later, or pass --forget. List them with "perennial node reconcile ${id}"; --confirm removes unknown users`,
  );
}

function formatRemoval(id: string, { state, marks_waiting }: RemovalState): string {
  if (state === 'draining') {
    return `${id}: draining: ${formatCount(marks_waiting, 'user')} left. Run this command again later.\nRemove the node from the configuration file.`;
  }
  return `${id}: removed. Remove the node from the configuration file, or the next "perennial apply" adds it again.`;
}
