import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { type AccessImpact, type AccessState, computeUnconfirmedMax } from './access-impact.ts';

/** Reads the groups of each plan, and the number of its running subscriptions. */
export async function readAccessState(db: Db | Tx, now: Instant): Promise<AccessState> {
  const { rows: plans } = await sql<{ key: string; groups: string[] }>`
    SELECT key, groups FROM perennial.plan`.execute(db);
  const { rows: nodes } = await sql<{ id: string; groups: string[]; inbounds: string[] }>`
    SELECT id, groups, inbounds FROM perennial.node`.execute(db);
  const { rows: running } = await sql<{ plan: string; count: bigint }>`
    SELECT plan, count(*) FROM perennial.subscription
    WHERE state = 'active' AND expires_at > ${isoTime(now)} GROUP BY plan`.execute(db);
  return {
    plans: new Map(plans.map(({ key, groups }) => [key, groups])),
    nodes: new Map(nodes.map(({ id, ...node }) => [id, node])),
    running: new Map(running.map(({ plan, count }) => [plan, Number(count)])),
  };
}

/**
 * @param source the place of the change in an error
 * @param confirmed the number that a person confirmed; undefined: none
 * @throws UsageFault `removals_not_confirmed`, `removals_changed`
 */
export function requireConfirmedRemovals(
  { lose }: AccessImpact,
  running: number,
  confirmed: number | undefined,
  source: string,
): void {
  if (confirmed === lose) return;
  const count = `${lose} of ${running} running subscriptions lose access`;
  if (confirmed !== undefined) {
    throw new UsageFault(
      'removals_changed',
      `${source}: --confirm-removals ${confirmed}: ${count}; nothing was changed; expected --confirm-removals ${lose}`,
    );
  }
  if (lose <= computeUnconfirmedMax(running)) return;
  throw new UsageFault(
    'removals_not_confirmed',
    `${source}: ${count}; nothing was changed; if this is intended, pass --confirm-removals ${lose}`,
  );
}
