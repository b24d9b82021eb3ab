import type { Command } from 'commander';
import { impactOf, withNode } from '../catalog/access-impact.ts';
import { readAccessState, requireConfirmedRemovals } from '../catalog/access-state.ts';
import { beginLeaving, forgetNode } from '../catalog/leaving.ts';
import { namedNodes, type ShownNode } from '../catalog/nodes.ts';
import { type Db, inTransaction } from '../db/connect.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { refused } from '../kernel/faults.ts';
import { finishMarking, takeOpenings } from '../subscription/marking.ts';
import { compareNodes } from '../workers/reconcile-xray-state/preview.ts';
import { connectNode } from '../xray/grpc/client.ts';
import { whole } from './arguments.ts';
import {
  type CommonOptions,
  command,
  type OpenBooks,
  type OpenedBooks,
  print,
  withBooks,
} from './frame.ts';

interface Options extends CommonOptions {
  readonly forget?: boolean;
  /** How many running subscriptions may lose access. */
  readonly confirmRemovals?: number;
}

/**
 * `perennial node remove ID`: its keeper empties it of our users, and the same command strikes it
 * from the books once that is done. No command waits for a node.
 */
export function removeCommand(open: OpenBooks): Command {
  return command('remove <ID>', 'give a node up: it is emptied of our users, then forgotten')
    .option('--forget', 'leave the node as it is; our users stay on it')
    .option(
      '--confirm-removals <N>',
      'confirm that N running subscriptions lose access; needed for more than max(20, 10%)',
      whole(0, Number.MAX_SAFE_INTEGER),
    )
    .action((id: string, options: Options) =>
      withBooks(open, options, async (books) => {
        const [node] = await namedNodes(books.db, id);
        const state = await step(books, node as ShownNode, options);
        print(options, { id, ...state }, () => text(id, state));
      }),
    );
}

interface State {
  readonly state: 'emptying' | 'removed';
  readonly marks_waiting: number;
}

async function step(books: OpenedBooks, node: ShownNode, options: Options): Promise<State> {
  const { db } = books;
  if (options.forget !== true) {
    if (!node.leaving) await drain(db, node.id, options);
    await finishMarking(db);
    const [left] = await namedNodes(db, node.id);
    const { waiting, marking } = left as ShownNode;
    if (waiting > 0n || marking) return { state: 'emptying', marks_waiting: Number(waiting) };
    await refuseFull(books, node.id);
  }
  await inTransaction(db, async (tx) => forgetNode(tx, node.id, 'cli', await readTrustedTime(tx)));
  return { state: 'removed', marks_waiting: 0 };
}

/** Counts who loses access in the transaction that takes it away. @throws UsageFault */
async function drain(db: Db, id: string, { confirmRemovals }: Options): Promise<void> {
  await inTransaction(db, async (tx) => {
    await takeOpenings(tx);
    const now = await readTrustedTime(tx);
    const before = await readAccessState(tx, now);
    const after = withNode(before, id, { groups: [], inbounds: [] });
    const running = [...before.running.values()].reduce((sum, count) => sum + count, 0);
    const place = `node remove ${id}`;
    requireConfirmedRemovals(impactOf(before, after), running, confirmRemovals, place);
    await beginLeaving(tx, id, 'cli', now);
  });
}

/** Everything was confirmed; now the node itself is asked. @throws Fault what is still there */
async function refuseFull({ db, url }: OpenedBooks, id: string): Promise<void> {
  const { signal } = new AbortController();
  const [end] = await compareNodes({ db, url, signal }, connectNode, id);
  if (end?.end === 'failed') {
    throw refused(
      'node_not_asked',
      `${end.fault.message}; whether it is empty isn't known. Again when it answers, or --forget`,
    );
  }
  if (end?.end !== 'compared' || end.found.ours === 0) return;
  throw refused(
    'node_not_empty',
    `node ${id}: still has ${end.found.ours} users of ours; "perennial node reconcile ${id}" says which, and with --confirm removes those that the books don't know. Again when they are gone, or --forget`,
  );
}

function text(id: string, { state, marks_waiting }: State): string {
  if (state === 'emptying') {
    return `${id}: is being emptied, ${marks_waiting} are still to be taken off by its keeper; say it again then, and take it out of the configuration`;
  }
  return `${id}: removed; take it out of the configuration, or the next "perennial apply" adds it again`;
}
