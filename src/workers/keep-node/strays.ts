import type { Db } from '../../db/connect.ts';
import type { Fault } from '../../kernel/faults.ts';
import { type Instant, later } from '../../kernel/instant.ts';
import type { Fence } from '../../leases/fence.ts';
import type { Lease } from '../../leases/lease.ts';
import { runConcurrently } from '../../xray/concurrency.ts';
import type { NodeApi } from '../../xray/port.ts';
import { toResult } from './result.ts';
import { hasNoUsers, isNodeFault, markRetryMs } from './rule.ts';
import { canRemoveStray, type Stray, type StrayResult } from './stray-store.ts';
import type { PageResult } from './sync.ts';

// The removal of confirmed stray users from their node.
//
// A customer who loses a UUID by a removal gets a mark when the result is stored. No mark is
// applied at the same time, so two calls about one name are never pending at once.

/** Few, so a customer who loses a UUID by the first removal gets it back soon. */
export const straysMax = 64;
const inFlightMax = 32;

export interface StrayPageContext {
  readonly db: Db;
  readonly lease: Lease;
  readonly api: NodeApi;
  readonly now: Instant;
  /** Current and former inbounds. */
  readonly inbounds: readonly string[];
  readonly fence: Fence;
  readonly signal: AbortSignal;
  /** Aborted: pending calls are cancelled. */
  readonly calls: AbortSignal;
}

export interface StrayPageResult {
  readonly settled: readonly StrayResult[];
  readonly stopped?: PageResult['stopped'];
}

export async function removeStrays(
  { db, lease, api, now, inbounds, fence, signal, calls }: StrayPageContext,
  strays: readonly Stray[],
): Promise<StrayPageResult> {
  const settled: StrayResult[] = [];
  let stopped: PageResult['stopped'];

  /** @returns the fault of the node @throws a fault of the fence or of the database */
  async function removeStray(stray: Stray): Promise<Fault | undefined> {
    for (const tag of inbounds) {
      const found = await toResult(() => api.findUser(tag, stray.name, { signal }));
      if ('fault' in found && hasNoUsers(found.fault)) continue;
      if ('fault' in found) return found.fault;
      if (found.value === undefined) continue;
      if (!(await canRemoveStray(db, lease, stray, found.value.id ?? null))) continue;
      await fence.verify();
      const removed = await toResult(() => api.removeUser(tag, stray.name, { signal: calls }));
      if ('fault' in removed) return removed.fault;
    }
    return undefined;
  }

  async function processStray(stray: Stray): Promise<void> {
    if (stopped !== undefined || signal.aborted) return;
    const result = await toResult(() => removeStray(stray));
    const fault = 'fault' in result ? result.fault : result.value;
    if (fault === undefined) {
      settled.push({ stray });
      return;
    }
    // A thrown fault: an earlier inbound may have received a call, so the result is stored.
    if ('fault' in result) stopped ??= { fault, source: 'fence' };
    else if (isNodeFault(fault)) stopped ??= { fault, source: 'node' };
    const retryAt = later(now, markRetryMs(fault, stray.attempts + 1));
    settled.push({ stray, failed: { error: fault.message, retryAt } });
  }

  await runConcurrently(strays, inFlightMax, processStray);
  return stopped === undefined ? { settled } : { settled, stopped };
}
