import type { Db } from '../../db/connect.ts';
import type { Fault } from '../../kernel/faults.ts';
import { type Instant, later } from '../../kernel/instant.ts';
import { eachInFlight } from '../../xray/in-flight.ts';
import type { NodeApi } from '../../xray/port.ts';
import type { Fence } from '../fence.ts';
import { answerOf } from './answer.ts';
import type { Post } from './node-store.ts';
import { hasNobody, isOfTheNode, markRetryMs } from './rule.ts';
import { mayGo, type SettledStray, type Stray } from './stray-store.ts';
import type { Worked } from './work.ts';

// Names that were confirmed for removal, against their node. Only removals: whoever lost a UUID by
// one is marked when it is settled, and gets it back as any mark is worked off. Apart from the
// marks' calls, so that no two calls are ever under way about one name.

/** Few, so that who loses a UUID by the first of them has it back soon. */
export const straysMax = 64;
const atOnce = 32;

export interface StrayWork {
  readonly db: Db;
  readonly post: Post;
  readonly api: NodeApi;
  readonly now: Instant;
  /** Former ones too. */
  readonly inbounds: readonly string[];
  readonly fence: Fence;
  readonly signal: AbortSignal;
  /** As those of `Work`. */
  readonly calls: AbortSignal;
}

export interface WorkedStrays {
  readonly settled: readonly SettledStray[];
  readonly stopped?: Worked['stopped'];
}

export async function workOffStrays(
  { db, post, api, now, inbounds, fence, signal, calls }: StrayWork,
  strays: readonly Stray[],
): Promise<WorkedStrays> {
  const settled: SettledStray[] = [];
  let stopped: Worked['stopped'];

  /** @returns what the node refused; @throws what the fence or the books did */
  async function remove(stray: Stray): Promise<Fault | undefined> {
    for (const tag of inbounds) {
      const found = await answerOf(() => api.findUser(tag, stray.name, { signal }));
      if ('fault' in found && hasNobody(found.fault)) continue;
      if ('fault' in found) return found.fault;
      if (found.value === undefined) continue;
      if (!(await mayGo(db, post, stray, found.value.id ?? null))) continue;
      await fence.hold();
      const removed = await answerOf(() => api.removeUser(tag, stray.name, { signal: calls }));
      if ('fault' in removed) return removed.fault;
    }
    return undefined;
  }

  async function one(stray: Stray): Promise<void> {
    if (stopped !== undefined || signal.aborted) return;
    const told = await answerOf(() => remove(stray));
    const fault = 'fault' in told ? told.fault : told.value;
    if (fault === undefined) {
      settled.push({ stray });
      return;
    }
    // Thrown: whether an inbound was told before is not kept, so it is settled as if one was.
    if ('fault' in told) stopped ??= { fault, by: 'fence' };
    else if (isOfTheNode(fault)) stopped ??= { fault, by: 'node' };
    const retryAt = later(now, markRetryMs(fault, stray.attempts + 1));
    settled.push({ stray, failed: { error: fault.message, retryAt } });
  }

  await eachInFlight(strays, atOnce, one);
  return stopped === undefined ? { settled } : { settled, stopped };
}
