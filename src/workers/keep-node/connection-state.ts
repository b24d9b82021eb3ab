import type { Fault } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import { type Span, workBackoffMs } from './rule.ts';

// The state machine of the connection to one node. It decides the next step of the work.
//
// state     the work                               leaves the state by
// outage    pauses                                 a good probe → check, or the last blockade
// check     reads the inbounds and the link        `checked` → sync, `blocked` → blockade
// blockade  removes users, and checks again later  `checked` → sync
// sync      seeds the node, then applies marks     other inbounds or another link → check
//
// 1. A failed probe, a transient failure of a call, and a new connection lead from every state to
//    outage. Only a good probe leads out of it.
// 2. A failure of a call pauses the work for some time, in every state. A fault that is not
//    transient leads from sync to check.
// 3. A probe that finds a boot without our users leads from every state to check. The seed starts
//    over: `drain` → `marking` → `done`.
//
// The transitions are pure. `connection.ts` holds the state, and only `transition` makes a new one.

/** Why no user can be added. */
interface Blockade {
  readonly fault: Fault;
  /** Counts the checks in a row that found a blockade. */
  readonly checks: number;
  /** The next check is due then; ms of the keeper's clock. */
  readonly recheckAtMs: number;
  /** The removals to look for: after each check all of them once, then the urgent ones. */
  readonly removals: 'all' | 'urgent';
}

/** The node as the last good probe on this connection found it. */
interface Sighting {
  readonly uptimeS: number;
  /** The number of the connection that carried the probe. */
  readonly connected: number;
  /** The bounds of the start of the boot, by all its probes; ms of the keeper's clock. */
  readonly bootWindow: Span;
}

/** Failures of calls: a fault of the node pauses the work. */
interface Pause {
  /** All pauses of this keeper. Two lanes that meet one failure report it once. */
  readonly total: number;
  /** Failures in a row. */
  readonly failures: number;
  readonly untilMs: number;
  readonly error: string | undefined;
}

/** Facts that each state has. */
interface Memory {
  /** undefined: no good probe on this connection yet. */
  readonly sighting: Sighting | undefined;
  /** Boots of this node that this keeper saw start. */
  readonly bootCount: number;
  /**
   * `drain`: pages that were read before the loss was found may confirm lost users. They have to
   * end before the seed begins.
   */
  readonly seed: 'drain' | 'marking' | 'done';
  /** Reports of added users and of marked chunks; a probe stores that there was one. */
  readonly additions: number;
  readonly storedAdditions: number;
  readonly pause: Pause;
}

export type ConnectionState = Memory &
  (
    | { readonly kind: 'outage'; readonly blockade: Blockade | undefined }
    | { readonly kind: 'check'; readonly bootAt: Instant }
    | { readonly kind: 'blockade'; readonly bootAt: Instant; readonly blockade: Blockade }
    | { readonly kind: 'sync'; readonly bootAt: Instant; readonly capabilitiesKey: string }
  );

/** A good probe: the node answered, and its row was written. */
export interface GoodProbe extends Sighting {
  readonly bootAt: Instant;
  readonly isNewBoot: boolean;
  /** The boot lacks our users: it is new, or an inbound lost them. */
  readonly forgotten: boolean;
  /** The database has marked all entitled credentials for this boot. */
  readonly isSeeded: boolean;
  /** The link and the inbounds of the database, as `toCapabilitiesKey` names them. */
  readonly capabilitiesKey: string;
  /** `additions` of the state when the row was written. */
  readonly storedAdditions: number;
}

export type ConnectionEvent =
  /** The connection was closed, or replaced by one to another address. */
  | { readonly is: 'disconnected' }
  | { readonly is: 'probed'; readonly probe: GoodProbe }
  | { readonly is: 'unanswered' }
  /** Users can be added by the link and the inbounds of this key. */
  | { readonly is: 'checked'; readonly capabilitiesKey: string }
  /** No user can be added. */
  | { readonly is: 'blocked'; readonly fault: Fault }
  /** A call failed by a fault of the node. */
  | { readonly is: 'failed'; readonly fault: Fault }
  /** A page was applied; `pauses` is the total of pauses at its start. */
  | { readonly is: 'applied'; readonly pauses: number }
  /** Fewer removals are due than one page holds. */
  | { readonly is: 'scanned' }
  | { readonly is: 'added' }
  /** No page is in progress. */
  | { readonly is: 'drained' }
  /** All entitled credentials are marked. */
  | { readonly is: 'seeded' };

export const initialState: ConnectionState = {
  kind: 'outage',
  blockade: undefined,
  sighting: undefined,
  bootCount: 0,
  seed: 'marking',
  additions: 0,
  storedAdditions: 0,
  pause: { total: 0, failures: 0, untilMs: 0, error: undefined },
};

export function transition(
  state: ConnectionState,
  event: ConnectionEvent,
  nowMs: number,
): ConnectionState {
  switch (event.is) {
    case 'disconnected':
      return { ...toOutage(state), blockade: undefined, sighting: undefined };
    case 'unanswered':
      return toOutage(state);
    case 'probed':
      return afterProbe(state, event.probe);
    case 'checked':
      // In an outage the answer is about a node that has failed since.
      if (state.kind === 'outage') return state;
      return {
        ...toMemory(state),
        ...{ kind: 'sync', bootAt: state.bootAt, capabilitiesKey: event.capabilitiesKey },
      };
    case 'blocked':
      return afterBlockade(state, event.fault, nowMs);
    case 'failed':
      return afterFailure(state, event.fault, nowMs);
    case 'applied':
      // Another page failed since: its pause stays.
      if (event.pauses !== state.pause.total) return state;
      return { ...state, pause: { ...state.pause, failures: 0, error: undefined } };
    case 'scanned':
      if (state.kind !== 'blockade') return state;
      return { ...state, blockade: { ...state.blockade, removals: 'urgent' } };
    case 'added':
      return { ...state, additions: state.additions + 1 };
    case 'drained':
      return state.seed === 'drain' ? { ...state, seed: 'marking' } : state;
    case 'seeded':
      // The boot lost its users after the last chunk: the seed starts over.
      return state.seed === 'drain' ? state : { ...state, seed: 'done' };
  }
}

function toOutage(state: ConnectionState): ConnectionState & { kind: 'outage' } {
  return { ...toMemory(state), kind: 'outage', blockade: getBlockade(state) };
}

function afterProbe(state: ConnectionState, probe: GoodProbe): ConnectionState {
  const { uptimeS, connected, bootWindow, bootAt, forgotten, isSeeded, storedAdditions } = probe;
  const memory: Memory = {
    ...toMemory(state),
    sighting: { uptimeS, connected, bootWindow },
    bootCount: state.bootCount + (probe.isNewBoot ? 1 : 0),
    seed: forgotten || state.seed === 'drain' ? 'drain' : isSeeded ? 'done' : 'marking',
    storedAdditions,
  };
  const blockade = getBlockade(state);
  if (forgotten) return { ...memory, kind: 'check', bootAt };
  if (blockade !== undefined) return { ...memory, kind: 'blockade', bootAt, blockade };
  if (state.kind !== 'sync' || state.capabilitiesKey !== probe.capabilitiesKey)
    return { ...memory, kind: 'check', bootAt };
  return { ...memory, kind: 'sync', bootAt, capabilitiesKey: state.capabilitiesKey };
}

function afterBlockade(state: ConnectionState, fault: Fault, nowMs: number): ConnectionState {
  if (state.kind === 'outage') return state;
  const checks = (getBlockade(state)?.checks ?? 0) + 1;
  const recheckAtMs = nowMs + workBackoffMs(fault, checks);
  const blockade: Blockade = { fault, checks, recheckAtMs, removals: 'all' };
  return { ...toMemory(state), kind: 'blockade', bootAt: state.bootAt, blockade };
}

function afterFailure(state: ConnectionState, fault: Fault, nowMs: number): ConnectionState {
  const failures = state.pause.failures + 1;
  const untilMs = nowMs + workBackoffMs(fault, failures);
  const pause = { total: state.pause.total + 1, failures, untilMs, error: fault.message };
  if (fault.kind === 'transient') return { ...toOutage(state), pause };
  if (state.kind !== 'sync') return { ...state, pause };
  return { ...toMemory(state), kind: 'check', bootAt: state.bootAt, pause };
}

const getBlockade = (state: ConnectionState): Blockade | undefined =>
  'blockade' in state ? state.blockade : undefined;

function toMemory(state: ConnectionState): Memory {
  const { sighting, bootCount, seed, additions, storedAdditions, pause } = state;
  return { sighting, bootCount, seed, additions, storedAdditions, pause };
}

/** The next step of the work. */
export type WorkStep =
  /** The node is unreachable, or the work pauses. */
  | { readonly do: 'wait' }
  | { readonly do: 'check' }
  | { readonly do: 'remove'; readonly removals: 'all' | 'urgent' }
  | { readonly do: 'seed'; readonly bootAt: Instant; readonly mustDrain: boolean }
  | { readonly do: 'apply' };

export function decideWork(state: ConnectionState, nowMs: number): WorkStep {
  if (state.kind === 'outage' || nowMs < state.pause.untilMs) return { do: 'wait' };
  switch (state.kind) {
    case 'check':
      return { do: 'check' };
    case 'blockade': {
      const { recheckAtMs, removals } = state.blockade;
      return nowMs < recheckAtMs ? { do: 'remove', removals } : { do: 'check' };
    }
    case 'sync':
      if (state.seed === 'done') return { do: 'apply' };
      return { do: 'seed', bootAt: state.bootAt, mustDrain: state.seed === 'drain' };
  }
}

/** @returns how long the pause lasts from now on, in ms */
export const getPauseMs = ({ pause }: ConnectionState, nowMs: number): number =>
  Math.max(0, pause.untilMs - nowMs);

/** @returns the reason for a pause or a blockade, also while probes succeed */
export const getWorkError = (state: ConnectionState): string | null =>
  state.pause.error ?? getBlockade(state)?.fault.message ?? null;
