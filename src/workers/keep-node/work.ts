import type { Fault } from '../../kernel/faults.ts';
import { flowOf } from '../../kernel/flow.ts';
import { later } from '../../kernel/instant.ts';
import { eachInFlight } from '../../xray/in-flight.ts';
import { userName } from '../../xray/names.ts';
import type { NodeApi } from '../../xray/port.ts';
import type { Fence } from '../fence.ts';
import { answerOf } from './answer.ts';
import { badFlow } from './learning.ts';
import { hasNobody, isOfTheNode, markRetryMs, orderOf } from './rule.ts';
import type { Mark, Page, Settled } from './store.ts';

// A page of marks against its node: each credential's calls one after the other, since two at once
// about one name can leave it listed and useless (docs/xray-facts.md), and several credentials at
// once.

export interface Work {
  readonly api: NodeApi;
  readonly page: Page;
  /** How many credentials are under way. */
  readonly atOnce: number;
  readonly fence: Fence;
  /** Nothing new begins. */
  readonly signal: AbortSignal;
  /** Calls under way are given up: later, since what has left may arrive all the same. */
  readonly calls: AbortSignal;
}

export interface Worked {
  /** Every mark of which the node may have heard, whatever came of it. */
  readonly settled: readonly Settled[];
  /** In quarantine; nothing was sent. */
  readonly held: readonly Mark[];
  /** Why the page was broken off: the node's fault, or what the fence said. */
  readonly stopped?: { readonly fault: Fault; readonly by: 'node' | 'fence' };
}

export async function workOff({ api, page, atOnce, fence, signal, calls }: Work): Promise<Worked> {
  const { together, suspects, held } = orderOf(page.marks, page.now);
  const settled: Settled[] = [];
  let stopped: Worked['stopped'];
  const flow = flowOf(page.flow);

  /** Makes the node as the books want it about one credential. @returns what the node refused */
  async function tell(mark: Mark, onCall: () => void): Promise<Fault | undefined> {
    const id = mark.credentialId;
    const name = userName(page.installation, id);
    if (!mark.wanted) return leave([...page.inbounds, ...page.formerInbounds], name, onCall);
    for (const tag of page.inbounds) {
      if (mark.replace) {
        await fence.hold();
        onCall();
        const removed = await answerOf(() => api.removeUser(tag, name, { signal: calls }));
        if ('fault' in removed) return removed.fault;
      }
      await fence.hold();
      onCall();
      const added = await answerOf(() =>
        api.addUser(tag, { name, id, flow: flow ?? '' }, { signal: calls }),
      );
      if ('fault' in added) return added.fault;
    }
    return leave(page.formerInbounds, name, onCall);
  }

  /** Takes a name off where it is not to be; an inbound that isn't there has nobody. */
  async function leave(
    tags: readonly string[],
    name: string,
    onCall: () => void,
  ): Promise<Fault | undefined> {
    for (const tag of tags) {
      await fence.hold();
      onCall();
      const removed = await answerOf(() => api.removeUser(tag, name, { signal: calls }));
      if ('fault' in removed && !hasNobody(removed.fault)) return removed.fault;
    }
    return undefined;
  }

  async function one(mark: Mark, isAlone: boolean): Promise<void> {
    if (stopped !== undefined || signal.aborted) return;
    let called = false;
    const told = await answerOf(() =>
      tell(mark, () => {
        called = true;
      }),
    );
    const fault = 'fault' in told ? told.fault : told.value;
    if (fault === undefined) {
      settled.push({ mark });
      return;
    }
    // Thrown: by the fence. Some inbounds may have been told all the same, so it is settled too; one
    // of which the node has heard nothing stays as it is, or its successor would be told it again.
    if ('fault' in told) {
      stopped ??= { fault, by: 'fence' };
      if (!called) return;
    } else if (isOfTheNode(fault)) stopped ??= { fault, by: 'node' };
    const isLost = mark.wanted && fault.code === 'node_lost';
    const lost = isLost ? (isAlone ? 'alone' : 'among_others') : 'no';
    const retryAt = later(page.now, markRetryMs(fault, mark.attempts + 1));
    settled.push({ mark, failed: { error: fault.message, retryAt, lost } });
  }

  // Who is to go needs no flow.
  const able = flow === undefined ? together.filter(({ wanted }) => !wanted) : together;
  await eachInFlight(able, atOnce, (mark) => one(mark, false));
  const fault = badFlow(page.flow);
  if (fault !== undefined && able.length < page.marks.length) stopped ??= { fault, by: 'node' };
  // Others first. And only on a node that lives at this moment: one that dies by itself all the
  // time must not be taken for killed by whoever came by.
  if (suspects.length > 0 && stopped === undefined && !signal.aborted) {
    const lives = await answerOf(() => api.health({ signal }));
    if ('fault' in lives) stopped = { fault: lives.fault, by: 'node' };
    else await eachInFlight(suspects, suspects.length, (mark) => one(mark, suspects.length === 1));
  }
  return { settled, held, ...(stopped === undefined ? {} : { stopped }) };
}
