import type { Db } from '../../db/connect.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { NodeApi } from '../../xray/port.ts';
import { answerOf } from './answer.ts';
import type { Line } from './line.ts';
import { countConfirmed, type NodeFacts, type Post } from './node-store.ts';
import { hasForgotten } from './rule.ts';

// An inbound that a panel removed and added again has lost its users, although the node was not
// started. Every 30 s the users of each inbound are counted. The count has to be the last count
// plus the users that this keeper added and minus those that it removed since. If it is lower, the
// database is asked how many users the node has for certain.

export interface Recounting {
  readonly db: Db;
  readonly post: Post;
  readonly line: Line;
  readonly api: NodeApi;
  readonly signal: AbortSignal;
}

/** Whether an inbound has lost users since the last count; the fault that kept it from being seen. */
export async function hasLostUsers(
  { db, post, line, api, signal }: Recounting,
  { inbounds }: NodeFacts,
): Promise<boolean | Fault> {
  if (!line.recount.begin(line.nowMs())) return false;
  let isLower = false;
  for (const tag of inbounds) {
    const net = line.changes.of(tag);
    const users = await answerOf(() => api.countUsers(tag, { signal }));
    // A node that cannot count, or lacks the inbound: the work and `node list` report it.
    if ('fault' in users && users.fault.kind === 'transient') return users.fault;
    if ('fault' in users) continue;
    if (line.recount.note(tag, users.value, net)) isLower = true;
  }
  return isLower && isShort(db, post, api, inbounds, signal);
}

/** The keeper works meanwhile, so the database is read before and after the count. */
async function isShort(
  db: Db,
  post: Post,
  api: NodeApi,
  inbounds: readonly string[],
  signal: AbortSignal,
): Promise<boolean | Fault> {
  const before = await countConfirmed(db, post.node);
  const counts: number[] = [];
  for (const tag of inbounds) {
    const users = await answerOf(() => api.countUsers(tag, { signal }));
    if ('value' in users) counts.push(users.value);
    else if (users.fault.kind === 'transient') return users.fault;
  }
  return hasForgotten(counts, Math.min(before, await countConfirmed(db, post.node)));
}
