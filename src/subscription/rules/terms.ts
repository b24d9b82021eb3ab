import type { PeriodSource, SubscriptionKind } from '../../db/schema.ts';
import type { PeriodId } from '../../kernel/ids.ts';
import { dayMs, type Instant } from '../../kernel/instant.ts';

// The terms of a subscription: plan, length and kind, decided from its periods.
//
// 1. Each period has the terms that were sold with it. A refunded period has none.
// 2. The terms of the period that contains the present moment are in force. Access follows them.
// 3. If no period contains this moment, the last terms are in force.
// 4. The last terms are those of the last period that was bought, renewed, granted or imported.
//    Without one, those of the last served part of which money was kept. Then those of the trial.
// 5. A served part is the time of a refunded period that had passed at its refund. It explains
//    access that was given, and is not sold time.
// 6. A grant does not define a length. It continues the last terms before it. A paid grant does not
//    continue a trial: it keeps the length that was sold last before it, also if that is refunded.
// 7. The next renewal takes the terms that the customer chose; without a choice, the last terms.
// 8. The kind is that of the last terms.
// 9. The terms change at the start of the next period with another plan or length.

export interface Terms {
  readonly plan: string;
  readonly periodDays: number;
}

/** A period that is not refunded, as the rule reads it. */
export interface TermPeriod {
  readonly source: PeriodSource;
  readonly plan: string;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  /** The length that was sold; null for a grant and in old rows. */
  readonly periodDays: number | null;
  /** The kind that a grant or an import gave; null if the source implies it. */
  readonly kind: SubscriptionKind | null;
  /** The refunded period whose served part this is. */
  readonly partOf: PeriodId | null;
  /** Of a grant: the length of the last refunded charge before it. */
  readonly refundedDays?: number | null;
  /** True for a served part of which money was kept. */
  readonly isPaidPart: boolean;
}

/** The terms that the subscription has now. */
export interface CurrentTerms extends Terms {
  readonly kind: SubscriptionKind;
  readonly nextPlan: string | null;
  readonly nextPeriodDays: number | null;
}

export interface TermsDecision {
  readonly inForce: Terms;
  readonly last: Terms;
  readonly kind: SubscriptionKind;
  /** The start of the next period with other terms; null if there is none. */
  readonly changesAt: Instant | null;
}

type TermStep = TermPeriod & Terms & { readonly periodDays: number; kind: SubscriptionKind };

export const hasSameTerms = (one: Terms, other: Terms): boolean =>
  one.plan === other.plan && one.periodDays === other.periodDays;

/** Rule 7, with the choice that the subscription stores. */
function toRenewalTerms({ plan, periodDays, nextPlan, nextPeriodDays }: CurrentTerms): Terms {
  return { plan: nextPlan ?? plan, periodDays: nextPeriodDays ?? periodDays };
}

/**
 * @param periods the periods that are not refunded, in any order
 * @param current the answer if there are none
 */
export function decideTerms(
  periods: readonly TermPeriod[],
  now: Instant,
  current: Pick<CurrentTerms, 'plan' | 'periodDays' | 'kind'>,
): TermsDecision {
  const steps = computeTermSteps(periods, current);
  const last = computeLastStep(steps) ?? current;
  const running = steps.find(({ startsAt, endsAt }) => startsAt <= now && now < endsAt);
  const inForce = running ?? last;
  const change = steps.find((step) => step.startsAt > now && !hasSameTerms(step, inForce));
  return {
    inForce: toTerms(inForce),
    last: toTerms(last),
    kind: last.kind,
    changesAt: change?.startsAt ?? null,
  };
}

const toTerms = ({ plan, periodDays }: Terms): Terms => ({ plan, periodDays });

/** Each period with a length and a kind, in the order of the starts. */
function computeTermSteps(
  periods: readonly TermPeriod[],
  current: Pick<CurrentTerms, 'periodDays' | 'kind'>,
): TermStep[] {
  const steps: TermStep[] = [];
  for (const period of periods.toSorted((one, other) => one.startsAt - other.startsAt)) {
    const kind = period.kind ?? toKind(period.source, steps, current.kind);
    const periodDays =
      period.periodDays ??
      computeSoldDays(period) ??
      computeLengthBefore(steps, period, kind) ??
      current.periodDays;
    steps.push({ ...period, periodDays, kind });
  }
  return steps;
}

/** Rule 6. */
function computeLengthBefore(
  steps: readonly TermStep[],
  { refundedDays }: TermPeriod,
  kind: SubscriptionKind,
): number | undefined {
  const last = computeLastStep(steps);
  const isContinued = last !== undefined && last.kind === kind;
  return isContinued ? last.periodDays : (refundedDays ?? last?.periodDays);
}

/** The length of a row of an older program, which stored only the range. */
function computeSoldDays({ source, startsAt, endsAt, partOf }: TermPeriod): number | undefined {
  if (source === 'grant' || source === 'import' || partOf !== null) return undefined;
  return Math.max(1, Math.round((endsAt - startsAt) / dayMs));
}

function toKind(
  source: PeriodSource,
  before: readonly TermStep[],
  current: SubscriptionKind,
): SubscriptionKind {
  switch (source) {
    case 'trial':
      return 'trial';
    case 'purchase':
    case 'renewal':
      return 'paid';
    case 'grant':
      return computeLastStep(before)?.kind ?? current;
    case 'import':
      return current;
  }
}

/** Rule 4. */
function computeLastStep(steps: readonly TermStep[]): TermStep | undefined {
  return (
    steps.findLast(({ partOf, kind }) => partOf === null && kind === 'paid') ??
    steps.findLast(({ isPaidPart }) => isPaidPart) ??
    steps.findLast(({ partOf }) => partOf === null)
  );
}

/**
 * `next_plan` and `next_period_days` after a change of the periods (rule 7).
 * @param lastBefore the last terms before the change: other renewal terms were chosen
 * @returns nulls if the next renewal keeps the terms in force
 */
export function computeNextTerms(
  before: CurrentTerms,
  lastBefore: Terms,
  after: Pick<TermsDecision, 'inForce' | 'last'>,
): Pick<CurrentTerms, 'nextPlan' | 'nextPeriodDays'> {
  const chosen = toRenewalTerms(before);
  const next = hasSameTerms(chosen, lastBefore) ? after.last : chosen;
  if (hasSameTerms(next, after.inForce)) return { nextPlan: null, nextPeriodDays: null };
  return { nextPlan: next.plan, nextPeriodDays: next.periodDays };
}
