import type { Command } from 'commander';
import { lockMarkingJobs, runMarkingJobs } from '../../../access/marking-jobs.ts';
import { computeImpact, withNode } from '../../../catalog/access-impact.ts';
import { readAccessState, requireConfirmedRemovals } from '../../../catalog/access-state.ts';
import { listNamedNodes, type NodeStatus } from '../../../catalog/nodes.ts';
import { deleteNode, drainNode } from '../../../catalog/remove-node.ts';
import { type Db, inTransaction } from '../../../db/connect.ts';
import { readTrustedTime } from '../../../db/trusted-time.ts';
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
 * `perennial node remove ID`: its keeper empties it of our users, and the same command strikes it
 * from the books once that is done. No command waits for a node.
 */
export function buildNodeRemoveCommand(open: DatabaseOpener): Command {
  return buildCommand('remove <ID>', 'give a node up: it is emptied of our users, then forgotten')
    .option('--forget', 'leave the node as it is; our users stay on it')
    .option(
      '--confirm-removals <N>',
      'confirm that N running subscriptions lose access; needed for more than max(20, 10%)',
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
  readonly state: 'emptying' | 'removed';
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
    if (waiting > 0n || marking) return { state: 'emptying', marks_waiting: Number(waiting) };
    await requireEmpty(database, node.id);
  }
  await inTransaction(db, async (tx) => deleteNode(tx, node.id, 'cli', await readTrustedTime(tx)));
  return { state: 'removed', marks_waiting: 0 };
}

/** Counts who loses access in the transaction that takes it away. @throws UsageFault */
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

/** Everything was confirmed; now the node itself is asked. @throws Fault what is still there */
async function requireEmpty({ db, url }: CommandDatabase, id: string): Promise<void> {
  const { signal } = new AbortController();
  const [end] = await compareNodes({ db, url, signal }, connectNode, id);
  if (end?.is === 'failed') {
    throw refused(
      'node_not_asked',
      `${end.fault.message}; whether it is empty isn't known. Again when it answers, or --forget`,
    );
  }
  if (end?.is !== 'compared' || end.comparison.ours === 0) return;
  throw refused(
    'node_not_empty',
    `node ${id}: still has ${end.comparison.ours} users of ours; "perennial node reconcile ${id}" says which, and with --confirm removes those that the books don't know. Again when they are gone, or --forget`,
  );
}

function formatRemoval(id: string, { state, marks_waiting }: RemovalState): string {
  if (state === 'emptying') {
    return `${id}: is being emptied, ${marks_waiting} are still to be taken off by its keeper; say it again then, and take it out of the configuration`;
  }
  return `${id}: removed; take it out of the configuration, or the next "perennial apply" adds it again`;
}
