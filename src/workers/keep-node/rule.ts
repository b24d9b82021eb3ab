import type { Fault } from '../../kernel/faults.ts';
import { hourMs, type Instant, later, minuteMs, secondMs } from '../../kernel/instant.ts';

// What a keeper does about a node and its marks (design, keep-node).
//
// A mark says that the node may differ from the books about one credential. Who may connect is
// added, who may not is removed, removals first. An add whose connection broke is suspected of
// having ended the node's life. The next probe tells: if it lives on it was the line, and nobody is
// suspected any more. If it was started since, any of those that were under way may have done it, a
// thousand where the node is far. They go when nothing else is due, with nothing else under way, 32 at once;
// whoever is among those with whom it dies again goes alone, and if it dies once more it is put
// aside, for an hour at first. 32 and then one is a compromise: each death shuts everybody out, and
// this way there are three at most (halving took ten); and a thousand innocents are cleared with 32
// turns, not with a thousand. So few that they are one turn go alone at once, which spares a death.
// Each turn is written down, and whatever came due meanwhile goes before the next one.
// A removal is never suspected, and never put aside.

/** What a mark is about, as the books have it at the moment of the work. */
export interface MarkFacts {
  /** Live credential, active subscription, and a plan that opens this node. */
  readonly wanted: boolean;
  /** How often an add of it ended with the node's life, or may have. */
  readonly lost: number;
  /** In quarantine until then. */
  readonly heldUntil: Instant | null;
}

export interface MarkOrder<Mark> {
  /** Removals first. */
  readonly concurrent: readonly Mark[];
  /** Suspects who go next, after all others. */
  readonly suspects: readonly Mark[];
  /** Not now. */
  readonly held: readonly Mark[];
}

/** Suspects that go at once, and that are read at once. */
export const suspectsMax = 32;

/**
 * In which order a page of marks is worked off. Keeps the order that it has otherwise. Who is in
 * quarantine by his subscription is held only if he is suspected himself: a credential that came in
 * the place of one that was put aside did nothing yet.
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

/** When a held one is looked at again: a person may have it tried at once, or dismiss it. */
export function computeRecheckAt(heldUntil: Instant | null, now: Instant): Instant {
  const soon = later(now, minuteMs);
  return heldUntil === null || heldUntil > soon ? soon : heldUntil;
}

/** @param areMany there may be more than these */
function selectSuspects<Mark extends MarkFacts>(
  suspects: readonly Mark[],
  areMany: boolean,
): readonly Mark[] {
  const once = suspects.filter(({ lost }) => lost === 1);
  return areMany && once.length > 0 ? once : suspects.slice(0, 1);
}

/** Whose fault it is: the node's, so that every call would fail, or that of what was sent. */
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

/** Of an inbound: it isn't there, or not any more, or has no users to manage. */
export function hasNoUsers({ code }: Fault): boolean {
  return code === 'unknown_inbound' || code === 'no_user_manager';
}

/**
 * More than a client's processor can make use of at once: the fuller the packets, the less a call
 * costs, and where processes wait for a processor, each turn of the node's takes what lies there.
 */
const inFlightMin = 128;
/** So many calls are lost at most, and told again, when their node dies. */
const inFlightLimit = 512;
/**
 * Two hands send some 8,000 calls a second at best, and those of a ms are under way for a round trip:
 * 4 for each hand, and half as many again, since the last ones of a page are few.
 */
const callsPerMs = 6;

/** How many credentials one hand has under way on a node that answers after so long. */
export function computeInFlightMax(roundTripMs: number): number {
  return Math.min(inFlightLimit, Math.max(inFlightMin, Math.ceil(roundTripMs * callsPerMs)));
}

/** A node that returns must have heard of an expiry within 10 s (F2): its own fault waits less. */
const nodeRetryMaxMs = 4 * secondMs;

/** How long a mark waits that failed `attempts` times, the last one included. */
export function markRetryMs(fault: Fault, attempts: number): number {
  const doubled = 2 ** Math.min(attempts - 1, 20);
  if (fault.code === 'node_cancelled') return 0;
  if (isNodeFault(fault)) return Math.min(nodeRetryMaxMs, secondMs * doubled);
  return Math.min(hourMs, minuteMs * doubled);
}

/**
 * How long a node's work rests after the `faults`th failure in a row. What passes by itself is
 * looked for again soon; what a person has to mend, within half a minute of being mended.
 */
export function workBackoffMs(fault: Fault, faults: number): number {
  const maxMs = fault.kind === 'transient' ? nodeRetryMaxMs : 30 * secondMs;
  return Math.min(maxMs, secondMs * 2 ** Math.min(faults - 1, 20));
}

/** The breaker opens at the third failure in a row. */
const failuresMax = 3;
/** Renewed by each probe that fails: who finds it past has no keeper's word any more. */
const openMs = 30 * secondMs;

export interface Breaker {
  readonly failures: number;
  readonly openUntil: Instant | null;
}

/** The breaker after a probe. A probe that succeeds closes it. */
export function updateBreaker(failures: number, probe: 'good' | 'failed', now: Instant): Breaker {
  if (probe === 'good') return { failures: 0, openUntil: null };
  const counted = failures + 1;
  return { failures: counted, openUntil: counted >= failuresMax ? later(now, openMs) : null };
}

/** Between the books' server and the node: uptime is in whole seconds, and answers take time. */
const jitterMs = 2 * secondMs;
/**
 * More than clocks explain. The books' time of a start is by the database's clock as it was then:
 * replicas run nothing from 30 s off it on, so between two settings of it, or two servers, there is
 * a minute at most. (Without any setting a bad quartz takes a week for that.)
 */
const clockSkewMaxMs = minuteMs;

export interface BootFacts {
  /** What the books have; null: never seen, or at another address. */
  readonly bootAt: Instant | null;
  /** What this keeper was told last, if it was told something. */
  readonly lastUptimeS: number | undefined;
  readonly bootWindow: Span | undefined;
  /** The node was out of reach since, or broke off a call. */
  readonly wasUnreachable: boolean;
}

/** Between which moments something was, in ms of the keeper's own stopwatch. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** When the node began, by one probe: its uptime is in whole seconds, rounded down. */
export function toBootWindow(uptimeS: number, callSpan: Span): Span {
  const uptimeMs = uptimeS * secondMs;
  return { fromMs: callSpan.fromMs - uptimeMs - secondMs, toMs: callSpan.toMs - uptimeMs };
}

/** What two probes say together; undefined: they can't be of one life. */
function intersectSpans(a: Span, b: Span): Span | undefined {
  const both = { fromMs: Math.max(a.fromMs, b.fromMs), toMs: Math.min(a.toMs, b.toMs) };
  return both.fromMs <= both.toMs ? both : undefined;
}

export interface Boot {
  readonly bootAt: Instant;
  readonly bootWindow: Span;
  /**
   * same · new: it was started since, and has forgotten its users · doubtful: it may have been, or
   * a clock was set: the number of its users tells.
   */
  readonly is: 'same' | 'new' | 'doubtful';
}

/**
 * Whether a node was started since it was seen last. A keeper that saw it before goes by its own
 * stopwatch, which notices a second start more than a second after the first. One that took it over
 * has the books' time alone: a start more than a minute later is another one; else the node's users
 * are counted. A machine that stood still looks as if it was started later, and is filled in vain.
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

/** Each inbound has at least those whom the books know to be there; else it has forgotten them. */
export function isMissingUsers(counts: readonly number[], confirmed: number): boolean {
  return counts.some((count) => count < confirmed);
}
