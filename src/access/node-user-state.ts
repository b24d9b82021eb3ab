import { unreachable } from '../kernel/faults.ts';
import { type Instant, isoTime, later } from '../kernel/instant.ts';
import { createReason, type Reason } from '../kernel/reason.ts';
import { longOutageMs } from './node-outages.ts';

// The state of a credential on a node, and what it waits for.
//
// 1. An entitled credential waits for its node first: the first probe, the end of an outage, or a
//    keeper that reads the node.
// 2. Then it waits in quarantine, for its mark, for a marking job, or for the filling of a boot.
// 3. Otherwise the node has confirmed the user.
// 4. Any other credential waits for its removal while it has a mark. Without a mark the node does
//    not have the user.

/** A live credential, or one with a mark. */
export interface NodeUserFacts {
  readonly subscriptionId: bigint;
  readonly node: string;
  readonly isEntitled: boolean;
  /** The last successful probe. */
  readonly lastSeenAt: Instant | null;
  readonly downSince: Instant | null;
  readonly nodeError: string | null;
  /** Values of the link that fit no inbound. */
  readonly linkError: string | null;
  /** The present boot has received this credential, or its mark. */
  readonly isFilled: boolean;
  readonly isMarking: boolean;
  /** Null: there is no mark. */
  readonly markedAt: Instant | null;
  readonly attempts: number | null;
  readonly nextAttemptAt: Instant | null;
  readonly markError: string | null;
  readonly quarantineReason: string | null;
  readonly quarantineRetryAt: Instant | null;
}

/** A mark that its keeper has not settled. */
interface PendingMark {
  readonly markedAt: Instant;
  readonly attempts: number;
  /** Null: the mark is due. */
  readonly nextAttemptAt: Instant | null;
  readonly error: string | null;
}

export type NodeUserState =
  | { readonly kind: 'not_reached' }
  | {
      readonly kind: 'node_down';
      readonly since: Instant;
      readonly error: string | null;
      readonly isMarked: boolean;
    }
  | { readonly kind: 'no_keeper'; readonly lastSeenAt: Instant }
  | { readonly kind: 'quarantined'; readonly reason: string; readonly retryAt: Instant }
  | ({ readonly kind: 'add_pending' } & PendingMark)
  | { readonly kind: 'marking' }
  | { readonly kind: 'filling' }
  | { readonly kind: 'confirmed'; readonly linkError: string | null }
  | ({ readonly kind: 'removal_pending'; readonly downSince: Instant | null } & PendingMark)
  | { readonly kind: 'not_entitled' };

/** Total: every input has one state. */
export function decideNodeUserState(facts: NodeUserFacts, now: Instant): NodeUserState {
  const { lastSeenAt, downSince, quarantineReason, quarantineRetryAt, linkError } = facts;
  const mark = toPendingMark(facts, now);
  if (!facts.isEntitled) {
    return mark === null
      ? { kind: 'not_entitled' }
      : { kind: 'removal_pending', ...mark, downSince };
  }
  if (downSince !== null) {
    const isMarked = mark !== null;
    return { kind: 'node_down', since: downSince, error: facts.nodeError, isMarked };
  }
  if (lastSeenAt === null) return { kind: 'not_reached' };
  if (lastSeenAt <= later(now, -longOutageMs)) return { kind: 'no_keeper', lastSeenAt };
  if (quarantineReason !== null && quarantineRetryAt !== null)
    return { kind: 'quarantined', reason: quarantineReason, retryAt: quarantineRetryAt };
  if (mark !== null) return { kind: 'add_pending', ...mark };
  if (facts.isMarking) return { kind: 'marking' };
  return facts.isFilled ? { kind: 'confirmed', linkError } : { kind: 'filling' };
}

function toPendingMark(facts: NodeUserFacts, now: Instant): PendingMark | null {
  const { markedAt, attempts, nextAttemptAt, markError: error } = facts;
  if (markedAt === null) return null;
  const isLater = nextAttemptAt !== null && nextAttemptAt > now;
  return {
    markedAt,
    attempts: attempts ?? 0,
    nextAttemptAt: isLater ? nextAttemptAt : null,
    error,
  };
}

/** True if the node had the user at its last probe. */
export const isConfirmed = (facts: NodeUserFacts): boolean =>
  facts.isEntitled &&
  facts.markedAt === null &&
  facts.quarantineReason === null &&
  !facts.isMarking &&
  facts.isFilled;

const toTime = (at: Instant | null): string | null => (at === null ? null : isoTime(at));
const toEnd = (text: string | null, before: string): string =>
  text === null ? '' : `${before}${text}`;

/** The only writer of these sentences. */
export function describeNodeUserState(state: NodeUserState): Reason {
  const { kind } = state;
  switch (state.kind) {
    case 'not_reached':
      return createReason(kind, {}, 'the user waits for the first probe of the node');
    case 'node_down': {
      const since = isoTime(state.since);
      const waits = state.isMarked
        ? 'the change of the user waits for the node'
        : 'the node had the user before';
      return createReason(
        kind,
        { down_since: since, error: state.error },
        `the node has been down since ${since}${toEnd(state.error, ': ')}; ${waits}`,
      );
    }
    case 'no_keeper': {
      const seenAt = isoTime(state.lastSeenAt);
      const sentence = `no keeper has reached the node since ${seenAt}; "perennial start" keeps nodes`;
      return createReason(kind, { last_seen_at: seenAt }, sentence);
    }
    case 'quarantined': {
      const retryAt = isoTime(state.retryAt);
      return createReason(
        kind,
        { reason: state.reason, retry_at: retryAt },
        `the user is in quarantine on this node (${state.reason}); the next attempt is at ${retryAt}`,
      );
    }
    case 'add_pending':
      return describeMark(kind, 'the node adds the user', state);
    case 'marking':
      return createReason(kind, {}, 'a change of plans or nodes is still being marked');
    case 'filling':
      return createReason(kind, {}, 'the node restarted, and its users are being added again');
    case 'confirmed': {
      const link = toEnd(state.linkError, '; the link does not fit: ');
      return createReason(
        kind,
        { link_error: state.linkError },
        `the node has confirmed the user${link}`,
      );
    }
    case 'removal_pending':
      return describeMark(kind, 'the node removes the user', state, state.downSince);
    case 'not_entitled':
      return createReason(kind, {}, 'the plan opens no group of this node');
    default:
      return unreachable(state);
  }
}

function describeMark(
  code: string,
  action: string,
  { markedAt, attempts, nextAttemptAt, error }: PendingMark,
  downSince: Instant | null = null,
): Reason {
  const params = {
    marked_at: isoTime(markedAt),
    attempts,
    next_attempt_at: toTime(nextAttemptAt),
    error,
    down_since: toTime(downSince),
  };
  const down = toEnd(params.down_since, '; the node has been down since ');
  const next = toEnd(params.next_attempt_at, '; the next attempt is at ');
  const failed = error === null ? '' : `; attempt ${attempts} failed: ${error}`;
  return createReason(
    code,
    params,
    `${action}, marked at ${params.marked_at}${down}${failed}${next}`,
  );
}
