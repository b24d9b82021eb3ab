import type { Answer } from '../../api/client.ts';

export type Forecast = Answer<'/v1/forecast'>;
export type ForecastTotal = Forecast['totals'][number];

/** The figures of a day in UTC, over all currencies. */
export interface ForecastDay {
  /** `2026-12-05`. */
  readonly day: string;
  readonly renewals: number;
  readonly short: number;
  readonly ending: number;
  /** Charges by currency, because currencies are never added up. */
  readonly amounts: readonly { readonly currency: string; readonly amount: string }[];
}

const dayMs = 86_400_000;

/** Each day of the forecast, also the days on which nothing happens. */
export function listDays({ from, days, groups = [] }: Forecast): ForecastDay[] {
  const byDay = Map.groupBy(groups, ({ day }) => day);
  const first = Date.parse(from.slice(0, 10));
  // The time of the forecast begins within a day, so one more day is touched.
  const list = Array.from({ length: days + 1 }, (_, index) =>
    new Date(first + index * dayMs).toISOString().slice(0, 10),
  );
  return list.map((day) => toDay(day, byDay.get(day) ?? []));
}

function toDay(day: string, totals: readonly ForecastTotal[]): ForecastDay {
  const sum = (name: 'renewals' | 'short' | 'ending') =>
    totals.reduce((all, total) => all + total[name], 0);
  return {
    day,
    renewals: sum('renewals'),
    short: sum('short'),
    ending: sum('ending'),
    amounts: totals
      .filter(({ renewals }) => renewals > 0)
      .map(({ currency, amount }) => ({ currency, amount })),
  };
}
