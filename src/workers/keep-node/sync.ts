import type { Fault } from '../../kernel/faults.ts';
import { later } from '../../kernel/instant.ts';
import type { Fence } from '../../leases/fence.ts';
import { runConcurrently } from '../../xray/concurrency.ts';
import { toNodeFlow } from '../../xray/flow.ts';
import type { NodeApi } from '../../xray/port.ts';
import { formatUserName } from '../../xray/user-names.ts';
import { toFlowFault } from './capabilities.ts';
import { toResult } from './result.ts';
import { hasNoUsers, isNodeFault, markRetryMs, orderMarks } from './rule.ts';
import type { Mark, MarkPage, MarkResult } from './store.ts';

// A page of marks against its node: each credential's calls one after the other, since two at once
// about one name can leave it listed and useless (docs/xray-facts.md), and several credentials at
// once.

export interface PageContext {
  readonly api: NodeApi;
  readonly page: MarkPage;
  /** How many credentials are under way. */
  readonly inFlightMax: number;
  readonly fence: Fence;
  /** Nothing new begins. */
  readonly signal: AbortSignal;
  /** Calls under way are given up: later, since what has left may arrive all the same. */
  readonly calls: AbortSignal;
}

export interface PageResult {
  /** Every mark of which the node may have heard, whatever came of it. */
  readonly settled: readonly MarkResult[];
  /** In quarantine; nothing was sent. */
  readonly held: readonly Mark[];
  /** Why the page was broken off: the node's fault, or what the fence said. */
  readonly stopped?: { readonly fault: Fault; readonly source: 'node' | 'fence' };
}

export async function applyPage({
  api,
  page,
  inFlightMax,
  fence,
  signal,
  calls,
}: PageContext): Promise<PageResult> {
  const { concurrent, suspects, held } = orderMarks(page.marks, page.now);
  const settled: MarkResult[] = [];
  let stopped: PageResult['stopped'];
  const flow = toNodeFlow(page.flow);

  /** Makes the node as the books want it about one credential. @returns what the node refused */
  async function applyMark(mark: Mark, onCall: () => void): Promise<Fault | undefined> {
    const id = mark.credentialId;
    const name = formatUserName(page.installation, id);
    if (!mark.wanted) return removeFrom([...page.inbounds, ...page.formerInbounds], name, onCall);
    for (const tag of page.inbounds) {
      if (mark.replace) {
        await fence.verify();
        onCall();
        const removed = await toResult(() => api.removeUser(tag, name, { signal: calls }));
        if ('fault' in removed) return removed.fault;
      }
      await fence.verify();
      onCall();
      const added = await toResult(() =>
        api.addUser(tag, { name, id, flow: flow ?? '' }, { signal: calls }),
      );
      if ('fault' in added) return added.fault;
    }
    return removeFrom(page.formerInbounds, name, onCall);
  }

  /** Takes a name off where it is not to be; an inbound that isn't there has nobody. */
  async function removeFrom(
    tags: readonly string[],
    name: string,
    onCall: () => void,
  ): Promise<Fault | undefined> {
    for (const tag of tags) {
      await fence.verify();
      onCall();
      const removed = await toResult(() => api.removeUser(tag, name, { signal: calls }));
      if ('fault' in removed && !hasNoUsers(removed.fault)) return removed.fault;
    }
    return undefined;
  }

  async function processMark(mark: Mark, isAlone: boolean): Promise<void> {
    if (stopped !== undefined || signal.aborted) return;
    let called = false;
    const result = await toResult(() =>
      applyMark(mark, () => {
        called = true;
      }),
    );
    const fault = 'fault' in result ? result.fault : result.value;
    if (fault === undefined) {
      settled.push({ mark });
      return;
    }
    // Thrown: by the fence. Some inbounds may have been told all the same, so it is settled too; one
    // of which the node has heard nothing stays as it is, or its successor would be told it again.
    if ('fault' in result) {
      stopped ??= { fault, source: 'fence' };
      if (!called) return;
    } else if (isNodeFault(fault)) stopped ??= { fault, source: 'node' };
    const isConnectionLost = mark.wanted && fault.code === 'node_lost';
    const lost = isConnectionLost ? (isAlone ? 'alone' : 'among_others') : 'no';
    const retryAt = later(page.now, markRetryMs(fault, mark.attempts + 1));
    settled.push({ mark, failed: { error: fault.message, retryAt, lost } });
  }

  // Who is to go needs no flow.
  const applicable = flow === undefined ? concurrent.filter(({ wanted }) => !wanted) : concurrent;
  await runConcurrently(applicable, inFlightMax, (mark) => processMark(mark, false));
  const fault = toFlowFault(page.flow);
  if (fault !== undefined && applicable.length < page.marks.length)
    stopped ??= { fault, source: 'node' };
  // Others first. And only on a node that lives at this moment: one that dies by itself all the
  // time must not be taken for killed by whoever came by.
  if (suspects.length > 0 && stopped === undefined && !signal.aborted) {
    const health = await toResult(() => api.readHealth({ signal }));
    if ('fault' in health) stopped = { fault: health.fault, source: 'node' };
    else
      await runConcurrently(suspects, suspects.length, (mark) =>
        processMark(mark, suspects.length === 1),
      );
  }
  return { settled, held, ...(stopped === undefined ? {} : { stopped }) };
}
