import { UsageFault } from '../kernel/faults.ts';
import { earliest, type Instant, instant, isoTime, later } from '../kernel/instant.ts';

// The months of reports. A month begins at 00:00 UTC, like every time of the database.

export interface ReportMonth {
  /** `2026-11`. */
  readonly label: string;
  readonly from: Instant;
  /** The end of the month, excluded. Within the present month: a millisecond after now. */
  readonly until: Instant;
  /** False for the present month. */
  readonly isComplete: boolean;
}

const pattern = /^([1-9]\d{3})-(0[1-9]|1[0-2])$/;

/** True for a month like `2026-11`. */
export const isMonthLabel = (text: string): boolean => pattern.test(text);

const startMonth = (year: number, month: number): Instant =>
  instant(new Date(0).setUTCFullYear(year, month, 1));

const formatMonth = (at: Instant): string => isoTime(at).slice(0, 7);

/**
 * @param label undefined: the last complete month
 * @throws UsageFault `bad_month`, `future_month`
 */
export function resolveMonth(label: string | undefined, now: Instant): ReportMonth {
  const chosen = label ?? formatMonth(computeLastMonthStart(now));
  const [, year, month] = pattern.exec(chosen) ?? [];
  if (year === undefined || month === undefined) {
    throw new UsageFault(
      'bad_month',
      `month: "${chosen}" is not a month; expected one like 2026-11`,
    );
  }
  const from = startMonth(Number(year), Number(month) - 1);
  if (from > now) {
    throw new UsageFault(
      'future_month',
      `month: "${chosen}" has not begun; expected a month until ${formatMonth(now)}`,
    );
  }
  const end = startMonth(Number(year), Number(month));
  return { label: chosen, from, until: earliest(end, later(now, 1)), isComplete: end <= now };
}

function computeLastMonthStart(now: Instant): Instant {
  const date = new Date(now);
  return startMonth(date.getUTCFullYear(), date.getUTCMonth() - 1);
}
