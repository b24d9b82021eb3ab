import { sql } from 'kysely';
import { lockMarkingJobs, withMarkingJobs } from '../access/marking-jobs.ts';
import type { Tx } from '../db/connect.ts';
import type { Instant } from '../kernel/instant.ts';
import { recordEvents } from '../subscription/store/events.ts';
import { drainingGroup } from './nodes.ts';

// Removes a node in two steps: it is drained, then deleted.
//
// A draining node has a group that no plan opens. So no credential is entitled there, and the
// keeper removes our users by the common rule.

/** Starts to drain a node. Call `runMarkingJobs` after the commit. */
export async function drainNode(tx: Tx, node: string, actor: string, now: Instant) {
  await withMarkingJobs(tx, now, async () => {
    await sql`
      UPDATE perennial.node SET groups = ARRAY[${drainingGroup}] WHERE id = ${node}`.execute(tx);
  });
  await recordEvent(tx, node, 'empty_node', actor, now);
}

/** Deletes a node and its marks from the database. The users on the node stay. */
export async function deleteNode(tx: Tx, node: string, actor: string, now: Instant): Promise<void> {
  // First, like all changes of nodes: a running chunk of marks waits for the next lock.
  await lockMarkingJobs(tx);
  // A transaction that read this node before would insert marks of a deleted node, and fail. The
  // lock waits for it. An INSERT that waits here reads the nodes after this commit.
  await sql`LOCK TABLE perennial.access_sync IN SHARE ROW EXCLUSIVE MODE`.execute(tx);
  await sql`LOCK TABLE perennial.stray IN SHARE ROW EXCLUSIVE MODE`.execute(tx);
  await sql`DELETE FROM perennial.marking WHERE node_id = ${node}`.execute(tx);
  await sql`DELETE FROM perennial.stray WHERE node_id = ${node}`.execute(tx);
  await sql`DELETE FROM perennial.access_sync WHERE node_id = ${node}`.execute(tx);
  await sql`
    DELETE FROM perennial.quarantine
    WHERE worker = 'keep-node' AND starts_with(item, ${`${node}/`})`.execute(tx);
  await sql`DELETE FROM perennial.node WHERE id = ${node}`.execute(tx);
  await recordEvent(tx, node, 'remove_node', actor, now);
}

async function recordEvent(tx: Tx, node: string, action: string, actor: string, now: Instant) {
  await recordEvents(
    tx,
    [{ customerId: null, subject: 'catalog', action, detail: { node } }],
    actor,
    now,
  );
}
