import { readServerTime } from '../../db/clock.ts';
import type { Db } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import type { NodeApi } from '../../xray/port.ts';
import { toCapabilitiesKey } from './capabilities.ts';
import type { ConnectionState } from './connection-state.ts';
import {
  countConfirmed,
  type Lease,
  leaseLost,
  type NodeFacts,
  readNode,
  writeProbe,
} from './node-store.ts';
import { findLostInbound } from './recount.ts';
import { toResult } from './result.ts';
import {
  type Boot,
  hasNoUsers,
  isMissingUsers,
  toBoot,
  toBootWindow,
  updateBreaker,
} from './rule.ts';

// How a node is, asked every 2 s whatever its breaker says: a node that returns is found by this.

/** A node that takes longer to say that it lives is of no use now. */
const deadlineMs = 3 * secondMs;

export interface ProbeContext {
  readonly db: Db;
  readonly lease: Lease;
  readonly connection: ConnectionState;
  readonly signal: AbortSignal;
}

/** What the probe told, for whoever logs it. */
export type ProbeOutcome =
  /** It lives on; `started`: another life; `unsure`: it may be, and is filled in any case. */
  | {
      readonly is: 'well' | 'returned' | 'started' | 'unsure';
      /** By then it had begun, as this probe alone tells; by `Line.nowMs`. */
      readonly bootedByMs: number;
    }
  /** It lives on, but this inbound has lost users, so the node is filled. */
  | { readonly is: 'lost'; readonly tag: string; readonly bootedByMs: number }
  /** Nothing: the keeper ends, or the node is another one by now. */
  | { readonly is: 'untold' }
  | { readonly is: 'failed'; readonly fault: Fault; readonly failures: number };

/** @throws Fault `lease_lost`, or what the database did; a fault of the node is its outcome */
export async function probe({
  db,
  lease,
  connection,
  signal,
}: ProbeContext): Promise<ProbeOutcome> {
  const facts = await readNode(db, lease);
  if (facts === undefined) throw leaseLost(lease);
  const fromMs = connection.nowMs();
  const answer = await toResult(() => connection.to(facts).readHealth({ deadlineMs, signal }));
  if ('fault' in answer) return writeFailedProbe(db, lease, connection, facts, answer.fault);
  const callSpan = { fromMs, toMs: connection.nowMs() };
  connection.recordRoundTrip(callSpan.toMs - fromMs);
  const { uptimeS } = answer.value;
  const api = connection.to(facts);
  const connected = api.countConnections();
  // Whoever starts a node breaks its connection, also where uptime doesn't tell.
  const wasUnreachable =
    connection.wasUnreachable || (connection.lastConnected ?? connected) !== connected;
  const boot = toBoot(
    {
      bootAt: facts.bootAt,
      lastUptimeS: connection.lastUptimeS,
      wasUnreachable,
      bootWindow: connection.bootWindow,
    },
    uptimeS,
    callSpan,
    await readServerTime(db),
  );
  const bootState = await resolveBoot(db, lease, api, facts, boot, signal);
  if (typeof bootState !== 'string')
    return writeFailedProbe(db, lease, connection, facts, bootState);
  // Users of a filling that is under way are missing for a while.
  const isFilled =
    bootState === 'same' && facts.bootAt !== null && facts.seededBootAt === facts.bootAt;
  const lostTag = isFilled
    ? await findLostInbound({ db, lease, connection, api, signal }, facts)
    : undefined;
  if (lostTag instanceof Fault) return writeFailedProbe(db, lease, connection, facts, lostTag);
  // The boot is the same, so an add that broke off is not suspected.
  const finalBootState = lostTag === undefined ? bootState : 'unsure';
  const forgotten = finalBootState !== 'same';

  const isNew = boot.is === 'new';
  const { hasAdded } = connection;
  connection.hasAdded = false;
  const seen = { at: facts.now, bootAt: boot.bootAt, forgotten, isNew, uptimeS, hasAdded };
  const breaker = updateBreaker(facts.failures, 'well', facts.now);
  const lastError = connection.workError;
  // Not written: the next probe learns why.
  if (!(await writeProbe(db, lease, facts.api, { ...breaker, lastError, now: facts.now, seen })))
    return { is: 'untold' };
  const wasReachable = connection.reachable;
  const { seededBootAt, bootAt } = facts;
  Object.assign(connection, {
    reachable: true,
    wasUnreachable: false,
    lastUptimeS: uptimeS,
    lastConnected: connected,
    bootWindow: boot.bootWindow,
    bootAt: boot.bootAt,
    bootCount: connection.bootCount + (finalBootState === 'new' ? 1 : 0),
    seeded: !forgotten && seededBootAt !== null && seededBootAt === bootAt,
    mustReseed: connection.mustReseed || forgotten,
    capabilitiesKnown:
      connection.capabilitiesKnown &&
      !forgotten &&
      connection.capabilitiesKey === toCapabilitiesKey(facts),
    blockedBy: forgotten ? undefined : connection.blockedBy,
  });
  const bootedByMs = toBootWindow(uptimeS, callSpan).toMs;
  if (lostTag !== undefined) return { is: 'lost', tag: lostTag, bootedByMs };
  if (forgotten) return { is: finalBootState === 'new' ? 'started' : 'unsure', bootedByMs };
  return { is: wasReachable ? 'well' : 'returned', bootedByMs };
}

/**
 * Whether the node was started since, and so has forgotten its users; the fault that kept it from
 * being found out. One that can't count them, because it is too old or has none of these inbounds, is
 * filled again to be sure.
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
  // An inbound that isn't there says nothing of those on the others.
  if (counts.length === 0 || !faults.every(hasNoUsers)) return 'unsure';
  return isMissingUsers(counts, await countConfirmed(db, lease.node)) ? 'new' : 'same';
}

async function writeFailedProbe(
  db: Db,
  lease: Lease,
  connection: ConnectionState,
  { now, api, failures }: NodeFacts,
  fault: Fault,
): Promise<ProbeOutcome> {
  // Our own end is no fault of the node's.
  if (fault.code === 'node_cancelled') return { is: 'untold' };
  Object.assign(connection, { reachable: false, wasUnreachable: true, capabilitiesKnown: false });
  const breaker = updateBreaker(failures, 'failed', now);
  await writeProbe(db, lease, api, { ...breaker, lastError: fault.message, now });
  return { is: 'failed', fault, failures: breaker.failures };
}
