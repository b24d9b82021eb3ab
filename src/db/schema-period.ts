import type { ColumnType, Generated } from 'kysely';
import type { PeriodId } from '../kernel/ids.ts';
import type { Instant } from '../kernel/instant.ts';

/** The terms of a period: the sold plan, length and price, and later changes of its time. */
export interface PeriodTerms {
  period_days: Generated<number | null>;
  list_minor: Generated<bigint | null>;
  discount_percent: Generated<number | null>;
  /** The kind that a grant or an import gives; null if the source determines it. */
  kind: Generated<'trial' | 'paid' | null>;
  /** The refunded period of which this is the served part. */
  part_of: Generated<PeriodId | null>;
  /** The start that was sold, if the period moved. */
  moved_from: ColumnType<Instant | null, string | null | undefined, string | null>;
}
