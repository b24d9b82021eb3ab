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

// The calls of one page of marks to its node.
//
// Several credentials run at once. The calls of one credential run in sequence. Two calls at once
// about one name can leave this name listed but unable to connect (docs/xray-facts.md).

export interface PageContext {
  readonly api: NodeApi;
  readonly page: MarkPage;
  /** Credentials at once. */
  readonly inFlightMax: number;
  readonly fence: Fence;
  /** Aborted: no new call begins. */
  readonly signal: AbortSignal;
  /** Aborted: pending calls are cancelled. Later than `signal`: a sent call may still arrive. */
  readonly calls: AbortSignal;
}

export interface PageResult {
  /** Every mark whose call the node may have received, with its result. */
  readonly settled: readonly MarkResult[];
  /** Marks in quarantine; no call was sent. */
  readonly held: readonly Mark[];
  /** The fault of the node or of the fence that ended the page early. */
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

  /** Makes the node equal to the database for one credential. @returns the fault of the node */
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

  /** Removes a name from these inbounds. A missing inbound has no users. */
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
    // A thrown fault comes from the fence. After a call the result is stored, because an inbound
    // may have received it. Without a call the mark stays unchanged for the next keeper.
    if ('fault' in result) {
      stopped ??= { fault, source: 'fence' };
      if (!called) return;
    } else if (isNodeFault(fault)) stopped ??= { fault, source: 'node' };
    const isConnectionLost = mark.wanted && fault.code === 'node_lost';
    const lost = isConnectionLost ? (isAlone ? 'alone' : 'among_others') : 'no';
    const retryAt = later(page.now, markRetryMs(fault, mark.attempts + 1));
    settled.push({ mark, failed: { error: fault.message, retryAt, lost } });
  }

  // A removal needs no flow.
  const applicable = flow === undefined ? concurrent.filter(({ wanted }) => !wanted) : concurrent;
  await runConcurrently(applicable, inFlightMax, (mark) => processMark(mark, false));
  const fault = toFlowFault(page.flow);
  if (fault !== undefined && applicable.length < page.marks.length)
    stopped ??= { fault, source: 'node' };
  // Suspects run last, and only if the node answers now. A node that crashes by itself again and
  // again must not be taken for crashed by a suspect.
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
