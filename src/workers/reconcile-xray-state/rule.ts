import { type Instant, later, minuteMs } from '../../kernel/instant.ts';

// When a node is compared with the database, and what each difference causes (design,
// reconcile-xray-state).
//
// 1. A node is due 10 minutes after its last good comparison, and at once after a failed one.
// 2. Three failures in a row open the breaker for 10 minutes. Then one trial follows.
// 3. Nothing is added or removed here. A mark states that the node may differ for one credential.
//    Its keeper reads both again before a call. So an unneeded mark costs one call, and a change of
//    the keeper is never undone.

/** The difference between a node and the database for one user. */
export const driftKinds = ['missing', 'unwanted', 'different', 'unknown', 'conflict'] as const;
export type DriftKind = (typeof driftKinds)[number];

/**
 * - `mark`: the keeper corrects it.
 * - `guard`: the keeper corrects it, unless there are too many at once.
 * - `confirm`: the keeper removes it if a person confirms the present ones.
 * - `report`: a person has to act.
 */
export type Treatment = 'mark' | 'guard' | 'confirm' | 'report';

export function toTreatment(kind: DriftKind): Treatment {
  switch (kind) {
    // The user may connect here, but is not on each of the node's inbounds.
    case 'missing':
      return 'mark';
    // The user has our name, but another UUID or flow than in the database. An add would not change
    // it.
    case 'different':
      return 'mark';
    // The database has the user, but access here is not allowed: the credential is retired, or its
    // plan opens other nodes.
    case 'unwanted':
      return 'guard';
    // The user has our name, but is not in the database. An automatic removal would cut off
    // everyone after a restore, or with a wrong database.
    case 'unknown':
      return 'confirm';
    // Another name carries the UUID of one of our credentials. The removal of either name removes
    // both (docs/xray-facts.md, "Users"). `node adopt` resolves it.
    case 'conflict':
      return 'report';
  }
}

/** Removals up to this number need no confirmation: an hour of a small operator. */
const unguardedMax = 100;

/** True if this many removals, of this many of our users, need a confirmation. */
export function mustHoldRemovals(unwanted: number, ours: number): boolean {
  return unwanted > Math.max(unguardedMax, Math.floor(ours / 10));
}

/** The pause after a good comparison. */
const compareEveryMs = 10 * minuteMs;
/** The breaker opens at the third failure in a row. */
const failuresMax = 3;
const openMs = 10 * minuteMs;

/** The stored state of a node's comparisons. Every replica uses the same state. */
export interface ComparisonState {
  readonly reconciledAt: Instant | null;
  readonly failures: number;
  readonly openUntil: Instant | null;
}

/** due; trial: the breaker is half open; open: the breaker holds the node; not_yet. */
export type DueState = 'due' | 'trial' | 'open' | 'not_yet';

export function dueStateOf(
  { reconciledAt, failures, openUntil }: ComparisonState,
  now: Instant,
): DueState {
  if (openUntil !== null) return openUntil > now ? 'open' : 'trial';
  // A failed comparison is repeated at the next run.
  if (failures > 0 || reconciledAt === null) return 'due';
  return later(reconciledAt, compareEveryMs) <= now ? 'due' : 'not_yet';
}

export function toStateAfterSuccess(now: Instant): ComparisonState {
  return { reconciledAt: now, failures: 0, openUntil: null };
}

export function toStateAfterFailure(before: ComparisonState, now: Instant): ComparisonState {
  const failures = before.failures + 1;
  const openUntil = failures >= failuresMax ? later(now, openMs) : null;
  return { reconciledAt: before.reconciledAt, failures, openUntil };
}
