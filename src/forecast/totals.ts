import type { Instant } from '../kernel/instant.ts';
import { isoTime } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import type { PlannedOutcome } from './outcomes.ts';

// The totals of a forecast by currency, and by day or plan. Currencies are never added up.

/** A total as JSON. `renewals`, `short` and `ending` are counts. */
export interface ForecastTotal {
  readonly currency: string;
  readonly renewals: number;
  /** The charges of the renewals, in major units. */
  readonly amount: string;
  readonly short: number;
  readonly ending: number;
}

export type ForecastGrouping = 'day' | 'plan';

/** A total of one day in UTC, or of one plan. */
export type ForecastGroup = ForecastTotal & ({ readonly day: string } | { readonly plan: string });

interface Sum {
  renewals: number;
  minor: bigint;
  short: number;
  ending: number;
}

/** The day of an outcome, in UTC. */
export const toForecastDay = (at: Instant): string => isoTime(at).slice(0, 10);

/** Adds up outcomes. Memory grows with the number of groups only. */
export class ForecastTotals {
  readonly #grouping: ForecastGrouping | undefined;
  readonly #totals = new Map<string, Sum>();
  readonly #groups = new Map<string, Map<string, Sum>>();

  constructor(grouping?: ForecastGrouping) {
    this.#grouping = grouping;
  }

  add(outcome: PlannedOutcome): void {
    addTo(this.#totals, outcome);
    if (this.#grouping === undefined) return;
    const key = this.#grouping === 'day' ? toForecastDay(outcome.at) : outcome.plan;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new Map();
      this.#groups.set(key, group);
    }
    addTo(group, outcome);
  }

  /** In the order of the currencies. */
  get totals(): ForecastTotal[] {
    return toTotals(this.#totals);
  }

  /** In the order of the days or plans; undefined without a grouping. */
  get groups(): ForecastGroup[] | undefined {
    const grouping = this.#grouping;
    if (grouping === undefined) return undefined;
    const groups = [...this.#groups].sort(([one], [other]) => (one < other ? -1 : 1));
    return groups.flatMap(([key, sums]) =>
      toTotals(sums).map((total) =>
        grouping === 'day' ? { day: key, ...total } : { plan: key, ...total },
      ),
    );
  }
}

function addTo(sums: Map<string, Sum>, { currency, outcome, amountMinor }: PlannedOutcome): void {
  let sum = sums.get(currency);
  if (sum === undefined) {
    sum = { renewals: 0, minor: 0n, short: 0, ending: 0 };
    sums.set(currency, sum);
  }
  switch (outcome) {
    case 'renewed':
      sum.renewals += 1;
      sum.minor += amountMinor ?? 0n;
      break;
    case 'short':
      sum.short += 1;
      break;
    case 'ends':
      sum.ending += 1;
      break;
  }
}

const toTotals = (sums: ReadonlyMap<string, Sum>): ForecastTotal[] =>
  [...sums]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([currency, { renewals, minor, short, ending }]) => ({
      currency,
      renewals,
      amount: majorUnits(minor, currency),
      short,
      ending,
    }));

/** A row of `--by customer` as JSON. */
export const toOutcomeJson = (outcome: PlannedOutcome) => ({
  telegram_id: outcome.telegramId,
  subscription_id: outcome.subscriptionId,
  outcome: outcome.outcome,
  starts_at: isoTime(outcome.startsAt),
  amount: outcome.amountMinor === null ? null : majorUnits(outcome.amountMinor, outcome.currency),
  currency: outcome.currency,
});
