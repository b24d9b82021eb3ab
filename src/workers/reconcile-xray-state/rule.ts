import { type Instant, later, minuteMs } from '../../kernel/instant.ts';

// When a node is compared with the books, and what becomes of each difference (design,
// reconcile-xray-state).
//
// Nothing is ever added or removed here: a mark says that the node may differ from the books about
// one credential, and its keeper looks at both again before it does anything. So a mark too many
// costs a call, and what the keeper did meanwhile is not undone.

/** How a node differs from the books about one user. */
export const driftKinds = ['missing', 'unwanted', 'different', 'unknown', 'conflict'] as const;
export type DriftKind = (typeof driftKinds)[number];

/**
 * mark: its keeper makes it right. guard: as well, unless there are too many at once. confirm: only
 * if a person says so of those that are found now. report: a person has to look.
 */
export type Treatment = 'mark' | 'guard' | 'confirm' | 'report';

export function toTreatment(kind: DriftKind): Treatment {
  switch (kind) {
    // May connect here, and isn't on each of the node's inbounds.
    case 'missing':
      return 'mark';
    // Has our name, and another UUID or flow than the books say: an add would leave it so.
    case 'different':
      return 'mark';
    // The books know it, and it may not connect here: retired, or of a plan that opens other nodes.
    case 'unwanted':
      return 'guard';
    // Has our name, and the books have never heard of it. Books that were restored from a backup,
    // or the wrong database, would cut off everybody.
    case 'unknown':
      return 'confirm';
    // Another name carries the UUID of a credential of ours: removing either takes both off
    // (docs/xray-facts.md, "Users"). `node adopt` takes it over.
    case 'conflict':
      return 'report';
  }
}

/** What may go without a question: a small operator's hour. */
const unguardedMax = 100;

/** Whether so many removals at once, of so many users of ours there, are to be looked at first. */
export function mustHoldRemovals(unwanted: number, ours: number): boolean {
  return unwanted > Math.max(unguardedMax, Math.floor(ours / 10));
}

/** After a comparison that went well. */
const compareEveryMs = 10 * minuteMs;
/** The breaker opens at the third failure in a row, for so long; then comes one trial. */
const failuresMax = 3;
const openMs = 10 * minuteMs;

/** What the books have of the comparisons of a node; every replica goes by the same. */
export interface ComparisonState {
  readonly reconciledAt: Instant | null;
  readonly failures: number;
  readonly openUntil: Instant | null;
}

/** due · trial: the breaker is half open · open: the breaker holds it · not_yet */
export type DueState = 'due' | 'trial' | 'open' | 'not_yet';

export function dueStateOf(
  { reconciledAt, failures, openUntil }: ComparisonState,
  now: Instant,
): DueState {
  if (openUntil !== null) return openUntil > now ? 'open' : 'trial';
  // One that failed is tried again at the next tick.
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
