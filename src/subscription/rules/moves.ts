import type { PeriodId } from '../../kernel/ids.ts';
import { type Instant, later, latest } from '../../kernel/instant.ts';

// The rule for periods after a refunded one: they move to an earlier start.
//
// 1. A period that has begun stays.
// 2. The first later period starts where the refunded one started, or at the refund if that is
//    later. Each further period starts where the one before it ends.
// 3. Each period keeps its length, so no bought and no granted time is lost.
// 4. A refund of a period that is over moves nothing.

interface Range {
  readonly startsAt: Instant;
  readonly endsAt: Instant;
}

/** @param periods the periods that are not refunded, in any order */
export function computeMovesAfterRefund(
  refunded: Range,
  periods: readonly (Range & Pick<PeriodMove, 'id'>)[],
  now: Instant,
): PeriodMove[] {
  if (refunded.endsAt <= now) return [];
  let startsAt = latest(now, refunded.startsAt);
  const moves: PeriodMove[] = [];
  const laterPeriods = periods.filter((period) => period.startsAt >= refunded.endsAt);
  for (const period of laterPeriods.toSorted((one, other) => one.startsAt - other.startsAt)) {
    const endsAt = later(startsAt, period.endsAt - period.startsAt);
    if (startsAt < period.startsAt) moves.push({ id: period.id, startsAt, endsAt });
    startsAt = endsAt;
  }
  return moves;
}

export interface PeriodMove {
  readonly id: PeriodId;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
}
