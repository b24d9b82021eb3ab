import { sql } from 'kysely';
import { lockMarkingJobs, withMarkingJobs } from '../access/marking-jobs.ts';
import type { Tx } from '../db/connect.ts';
import type { Instant } from '../kernel/instant.ts';
import { recordEvents } from '../subscription/store/events.ts';
import { drainingGroup } from './nodes.ts';

// A node that is given up is emptied of our users first. It gets a group that no plan opens, so that
// by the one rule that there is nobody may connect there, and its keeper takes everybody off.

/** From now on nobody may connect there; who could is marked after the commit (`finishMarking`). */
export async function drainNode(tx: Tx, node: string, actor: string, now: Instant) {
  await withMarkingJobs(tx, now, async () => {
    await sql`
      UPDATE perennial.node SET groups = ARRAY[${drainingGroup}] WHERE id = ${node}`.execute(tx);
  });
  await recordEvent(tx, node, 'empty_node', actor, now);
}

/** Strikes it from the books, with its marks. What it holds stays as it is. */
export async function deleteNode(tx: Tx, node: string, actor: string, now: Instant): Promise<void> {
  // First, as all who change nodes: whoever is at a stretch of marks wants the next lock.
  await lockMarkingJobs(tx);
  // Whoever marks credentials on every node has seen this one or has not: one who did would refer
  // to a node that is gone, and fail. An INSERT that waits here reads the nodes after us.
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
