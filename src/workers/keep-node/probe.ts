import { readServerTime } from '../../db/clock.ts';
import type { Db } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import type { Lease } from '../../leases/lease.ts';
import type { NodeApi } from '../../xray/port.ts';
import { toCapabilitiesKey } from './capabilities.ts';
import type { KeeperConnection } from './connection.ts';
import { type ConnectionState, getWorkError } from './connection-state.ts';
import { countConfirmed, leaseLost, type NodeFacts, readNode, writeProbe } from './node-store.ts';
import { findLostInbound } from './recount.ts';
import { toResult } from './result.ts';
import {
  type Boot,
  type BootFacts,
  hasNoUsers,
  isMissingUsers,
  toBoot,
  toBootWindow,
  updateBreaker,
} from './rule.ts';

// The probe of a node: reachable or not, same boot or another one, users complete or lost.
//
// A keeper probes every 2 s, also while the breaker is open, so it detects a node that returns.

/** A node that answers later is too slow for work now. */
const deadlineMs = 3 * secondMs;

export interface ProbeContext {
  readonly db: Db;
  readonly lease: Lease;
  readonly connection: KeeperConnection;
  readonly signal: AbortSignal;
}

export type ProbeOutcome =
  /** `restarted`: another boot; `doubted`: it may be another boot, and is seeded in any case. */
  | {
      readonly is: 'unchanged' | 'returned' | 'restarted' | 'doubted';
      /** By this probe alone, the boot had started by then; ms of the keeper's clock. */
      readonly bootedByMs: number;
    }
  /** The boot is the same, but this inbound has lost users, so the node is seeded. */
  | { readonly is: 'emptied'; readonly tag: string; readonly bootedByMs: number }
  /** Without a result: the keeper ends, or the node has another address. */
  | { readonly is: 'discarded' }
  | { readonly is: 'failed'; readonly fault: Fault; readonly failures: number };

/**
 * Probes a node once, and writes the result. A fault of the node is an outcome.
 * @throws Fault lease_lost, or a fault of the database
 */
export async function probe({
  db,
  lease,
  connection,
  signal,
}: ProbeContext): Promise<ProbeOutcome> {
  const facts = await readNode(db, lease);
  if (facts === undefined) throw leaseLost(lease);
  const fromMs = connection.nowMs();
  const answer = await toResult(() => connection.to(facts).api.readHealth({ deadlineMs, signal }));
  if ('fault' in answer) return writeFailedProbe(db, lease, connection, facts, answer.fault);
  const callSpan = { fromMs, toMs: connection.nowMs() };
  connection.recordRoundTrip(callSpan.toMs - fromMs);
  const { uptimeS } = answer.value;
  const open = connection.to(facts);
  const connected = open.api.countConnections();
  const boot = toBoot(
    toBootFacts(connection.state, facts, connected),
    uptimeS,
    callSpan,
    await readServerTime(db),
  );
  const bootState = await resolveBoot(db, lease, open.api, facts, boot, signal);
  if (bootState instanceof Fault) return writeFailedProbe(db, lease, connection, facts, bootState);
  // A seed in progress has not added all users yet.
  const isSeeded = facts.bootAt !== null && facts.seededBootAt === facts.bootAt;
  const lostTag =
    bootState === 'same' && isSeeded
      ? await findLostInbound({ db, lease, open, nowMs: connection.nowMs(), signal }, facts)
      : undefined;
  if (lostTag instanceof Fault) return writeFailedProbe(db, lease, connection, facts, lostTag);
  const forgotten = bootState !== 'same' || lostTag !== undefined;

  const { additions, storedAdditions } = connection.state;
  const { bootAt, bootWindow } = boot;
  const seen = {
    ...{ at: facts.now, bootAt, forgotten, isNew: boot.is === 'new', uptimeS },
    hasAdded: additions > storedAdditions,
  };
  const breaker = updateBreaker(facts.failures, 'good', facts.now);
  const lastError = getWorkError(connection.state);
  // Not written: the next probe finds the reason.
  if (!(await writeProbe(db, lease, facts.api, { ...breaker, lastError, now: facts.now, seen })))
    return { is: 'discarded' };
  const wasReachable = connection.state.kind !== 'outage';
  connection.receive({
    is: 'probed',
    probe: {
      ...{ uptimeS, connected, bootWindow, bootAt, forgotten },
      isNewBoot: bootState === 'new',
      isSeeded,
      capabilitiesKey: toCapabilitiesKey(facts),
      storedAdditions: additions,
    },
  });
  const bootedByMs = toBootWindow(uptimeS, callSpan).toMs;
  if (lostTag !== undefined) return { is: 'emptied', tag: lostTag, bootedByMs };
  if (forgotten) return { is: bootState === 'new' ? 'restarted' : 'doubted', bootedByMs };
  return { is: wasReachable ? 'unchanged' : 'returned', bootedByMs };
}

/** A restart of the node breaks its connection, even if the uptime does not show the restart. */
function toBootFacts(
  { kind, sighting }: ConnectionState,
  { bootAt }: NodeFacts,
  connected: number,
): BootFacts {
  return {
    bootAt,
    lastUptimeS: sighting?.uptimeS,
    wasUnreachable: kind === 'outage' || (sighting?.connected ?? connected) !== connected,
    bootWindow: sighting?.bootWindow,
  };
}

/**
 * Decides a doubtful boot by the number of users. A node that cannot count users is too old or
 * lacks these inbounds; it is seeded to be safe.
 * @returns the boot, or the transient fault that hides it
 */
async function resolveBoot(
  db: Db,
  lease: Lease,
  api: NodeApi,
  { inbounds }: NodeFacts,
  { is }: Boot,
  signal: AbortSignal,
): Promise<'same' | 'new' | 'unsure' | Fault> {
  if (is !== 'doubtful') return is;
  const results = await Promise.all(
    inbounds.map((tag) => toResult(() => api.countUsers(tag, { signal }))),
  );
  const faults = results.flatMap((each) => ('fault' in each ? [each.fault] : []));
  const transientFault = faults.find(({ kind }) => kind === 'transient');
  if (transientFault !== undefined) return transientFault;
  const counts = results.flatMap((each) => ('value' in each ? [each.value] : []));
  // A missing inbound is no evidence about the other inbounds.
  if (counts.length === 0 || !faults.every(hasNoUsers)) return 'unsure';
  return isMissingUsers(counts, await countConfirmed(db, lease.id)) ? 'new' : 'same';
}

async function writeFailedProbe(
  db: Db,
  lease: Lease,
  connection: KeeperConnection,
  { now, api, failures }: NodeFacts,
  fault: Fault,
): Promise<ProbeOutcome> {
  // The keeper ends: this is no fault of the node.
  if (fault.code === 'node_cancelled') return { is: 'discarded' };
  connection.receive({ is: 'unanswered' });
  const breaker = updateBreaker(failures, 'failed', now);
  await writeProbe(db, lease, api, { ...breaker, lastError: fault.message, now });
  return { is: 'failed', fault, failures: breaker.failures };
}
