import type { Fault } from '../../kernel/faults.ts';
import { hourMs, type Instant, later, minuteMs, secondMs } from '../../kernel/instant.ts';

// The rules of a keeper for its node and the marks of it (design, keep-node).
//
// 1. A mark states that the node may differ from the database about one credential. Entitled
//    credentials are added and all others are removed, removals first.
// 2. An add whose connection broke is suspected: it may have crashed the node. The next good probe
//    decides. In the same boot the network was the cause, and the suspicion is cleared.
// 3. In another boot each add that was pending is a suspect. A distant node has up to 1,000.
// 4. Suspects run when no other mark is due, and without other calls: 32 at once. If the node
//    crashes again, each of these 32 runs alone. A suspect that crashes the node alone goes to
//    quarantine, for 1 hour at first.
// 5. Fewer than 32 suspects run alone at once, which avoids one crash.
// 6. The result of each group is stored. Marks that became due meanwhile run before the next group.
// 7. A removal is never suspected and never in quarantine.
//
// Groups of 32 and then of 1 are a compromise. Each crash disconnects all customers of the node.
// This way there are at most 3 crashes; halving needed 10. 1,000 suspects without fault need 32
// groups.

/** The facts of a mark, as the database has them when the page is read. */
export interface MarkFacts {
  /** Live credential, active subscription, and a plan that opens this node. */
  readonly wanted: boolean;
  /** The number of adds that crashed the node, or may have. */
  readonly lost: number;
  /** In quarantine until then. */
  readonly heldUntil: Instant | null;
}

export interface MarkOrder<Mark> {
  /** Removals first. */
  readonly concurrent: readonly Mark[];
  /** The suspects that run next, after all other marks. */
  readonly suspects: readonly Mark[];
  /** Marks in quarantine: they are postponed. */
  readonly held: readonly Mark[];
}

/** Suspects per group, and per page. */
export const suspectsMax = 32;

/**
 * Orders a page of marks; inside each list the order stays. The quarantine names a subscription. It
 * holds a credential only if this credential is suspected, because a replaced one may be the cause.
 */
export function orderMarks<Mark extends MarkFacts>(
  marks: readonly Mark[],
  now: Instant,
): MarkOrder<Mark> {
  const additions = marks.filter((mark) => mark.wanted);
  const isHeld = ({ lost, heldUntil }: Mark) => lost > 0 && heldUntil !== null && heldUntil > now;
  const free = additions.filter((mark) => !isHeld(mark));
  const suspects = free.filter(({ lost }) => lost > 0);
  return {
    concurrent: [...marks.filter((mark) => !mark.wanted), ...free.filter(({ lost }) => lost === 0)],
    suspects: selectSuspects(suspects, marks.length >= suspectsMax),
    held: additions.filter(isHeld),
  };
}

/** Within a minute, because a person may retry or dismiss the quarantined item at any time. */
export function computeRecheckAt(heldUntil: Instant | null, now: Instant): Instant {
  const soon = later(now, minuteMs);
  return heldUntil === null || heldUntil > soon ? soon : heldUntil;
}

/** @param areMany there may be more suspects than these */
function selectSuspects<Mark extends MarkFacts>(
  suspects: readonly Mark[],
  areMany: boolean,
): readonly Mark[] {
  const once = suspects.filter(({ lost }) => lost === 1);
  return areMany && once.length > 0 ? once : suspects.slice(0, 1);
}

/** True if every call to this node would fail; false if the fault belongs to this credential. */
export function isNodeFault(fault: Fault): boolean {
  switch (fault.code) {
    case 'bad_credential':
    case 'bad_name':
    case 'node_refused':
      return false;
    default:
      return true;
  }
}

/** True if the inbound is missing, or its users cannot be managed. */
export function hasNoUsers({ code }: Fault): boolean {
  return code === 'unknown_inbound' || code === 'no_user_manager';
}

/**
 * More than a client's processor can use at once. Fuller packets make a call cheaper. On a busy
 * machine the node takes all calls that arrived since its last time slice.
 */
const inFlightMin = 128;
/** The maximum of calls that are lost and repeated after a crash of the node. */
const inFlightLimit = 512;
/**
 * Two lanes send about 8,000 calls per second at best, 4 per lane and ms. The factor is 1.5 times
 * that, because the last calls of a page are few.
 */
const callsPerMs = 6;

/** The number of credentials that one lane processes at once, for this round trip. */
export function computeInFlightMax(roundTripMs: number): number {
  return Math.min(inFlightLimit, Math.max(inFlightMin, Math.ceil(roundTripMs * callsPerMs)));
}

/** A node that returns must lose expired users within 10 s (F2), so its faults wait less. */
const nodeRetryMaxMs = 4 * secondMs;

/** The wait of a mark after a failure. @param attempts all its failures, this one included */
export function markRetryMs(fault: Fault, attempts: number): number {
  const doubled = 2 ** Math.min(attempts - 1, 20);
  if (fault.code === 'node_cancelled') return 0;
  if (isNodeFault(fault)) return Math.min(nodeRetryMaxMs, secondMs * doubled);
  return Math.min(hourMs, minuteMs * doubled);
}

/**
 * The pause of a node's work. A transient fault is retried within 4 s. A fault that a person has to
 * repair is retried within 30 s of the repair.
 * @param faults failures in a row, this one included
 */
export function workBackoffMs(fault: Fault, faults: number): number {
  const maxMs = fault.kind === 'transient' ? nodeRetryMaxMs : 30 * secondMs;
  return Math.min(maxMs, secondMs * 2 ** Math.min(faults - 1, 20));
}

/** The breaker opens at the third failure in a row. */
const failuresMax = 3;
/** Each failed probe extends it. If it is past, no keeper probes the node any more. */
const openMs = 30 * secondMs;

export interface Breaker {
  readonly failures: number;
  readonly openUntil: Instant | null;
}

/** The breaker after a probe. A good probe closes it. */
export function updateBreaker(failures: number, probe: 'good' | 'failed', now: Instant): Breaker {
  if (probe === 'good') return { failures: 0, openUntil: null };
  const counted = failures + 1;
  return { failures: counted, openUntil: counted >= failuresMax ? later(now, openMs) : null };
}

/** Between the database server and the node: uptime is in whole seconds, and calls take time. */
const jitterMs = 2 * secondMs;
/**
 * More than clocks explain. The stored time of a boot comes from the database clock of that time.
 * Replicas run nothing if their clock is more than 30 s off. So two settings of the clock, or two
 * servers, differ by 1 minute at most. (A bad quartz needs a week for that.)
 */
const clockSkewMaxMs = minuteMs;

export interface BootFacts {
  /** The boot in the database; null: never seen, or at another address. */
  readonly bootAt: Instant | null;
  /** The uptime of the last good probe of this keeper. */
  readonly lastUptimeS: number | undefined;
  readonly bootWindow: Span | undefined;
  /** A probe or a call failed after the last good probe. */
  readonly wasUnreachable: boolean;
}

/** The bounds of a moment, in ms of the keeper's stopwatch. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The start of a boot by one probe. Uptime is in whole seconds, rounded down. */
export function toBootWindow(uptimeS: number, callSpan: Span): Span {
  const uptimeMs = uptimeS * secondMs;
  return { fromMs: callSpan.fromMs - uptimeMs - secondMs, toMs: callSpan.toMs - uptimeMs };
}

/** @returns undefined if the two probes cannot be of one boot */
function intersectSpans(a: Span, b: Span): Span | undefined {
  const both = { fromMs: Math.max(a.fromMs, b.fromMs), toMs: Math.min(a.toMs, b.toMs) };
  return both.fromMs <= both.toMs ? both : undefined;
}

export interface Boot {
  readonly bootAt: Instant;
  readonly bootWindow: Span;
  /**
   * `new`: the node restarted and has lost its users. `doubtful`: it may have restarted, or a clock
   * was set; the number of its users decides.
   */
  readonly is: 'same' | 'new' | 'doubtful';
}

/**
 * Compares a probe with the last boot. A keeper that probed the node before uses its stopwatch,
 * which detects a second start more than 1 s after the first. A new keeper has only the time in the
 * database: a start more than 1 minute later is another boot, else the users are counted. A machine
 * that was suspended seems to have started later, and is seeded without need.
 * @param serverNow real time, also in a test
 */
export function toBoot(
  facts: BootFacts,
  uptimeS: number,
  callSpan: Span,
  serverNow: Instant,
): Boot {
  const bootAt = later(serverNow, -uptimeS * secondMs);
  const probeWindow = toBootWindow(uptimeS, callSpan);
  if (facts.bootAt === null) return { bootAt, bootWindow: probeWindow, is: 'new' };
  if (facts.lastUptimeS !== undefined && uptimeS < facts.lastUptimeS) {
    return { bootAt, bootWindow: probeWindow, is: 'new' };
  }
  const bootWindow =
    facts.bootWindow === undefined ? probeWindow : intersectSpans(facts.bootWindow, probeWindow);
  if (facts.bootWindow === undefined && bootAt - facts.bootAt > clockSkewMaxMs) {
    return { bootAt, bootWindow: probeWindow, is: 'new' };
  }
  if (bootWindow === undefined || bootAt - facts.bootAt > jitterMs) {
    return { bootAt, bootWindow: bootWindow ?? probeWindow, is: 'doubtful' };
  }
  const isUnsure = facts.wasUnreachable || facts.lastUptimeS === undefined;
  return { bootAt: facts.bootAt, bootWindow, is: isUnsure ? 'doubtful' : 'same' };
}

/** True if an inbound has fewer users than the database has confirmed there. */
export function isMissingUsers(counts: readonly number[], confirmed: number): boolean {
  return counts.some((count) => count < confirmed);
}
