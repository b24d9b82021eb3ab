import type { ForecastRange } from '../../forecast/forecast.ts';
import type { PlannedOutcome } from '../../forecast/outcomes.ts';
import type { ForecastTotal, ForecastTotals } from '../../forecast/totals.ts';
import { isoTime } from '../../kernel/instant.ts';
import { moneyText } from '../../kernel/money.ts';
import { formatTable } from '../command.ts';

/** One outcome as a line. Columns have a fixed width, because later lines are unknown. */
export function formatOutcome(outcome: PlannedOutcome): string {
  const { telegramId, subscriptionId, amountMinor, currency, startsAt } = outcome;
  const amount = amountMinor === null ? '' : moneyText(amountMinor, currency);
  return [
    telegramId.toString().padEnd(12),
    subscriptionId.toString().padEnd(10),
    outcome.outcome.padEnd(7),
    isoTime(startsAt),
    amount,
  ]
    .join('  ')
    .trimEnd();
}

const columns = ['renewals', 'amount', 'short', 'ending'] as const;

const toCells = (total: ForecastTotal): string[] => [
  total.renewals.toLocaleString('en'),
  `${total.amount} ${total.currency}`,
  total.short.toLocaleString('en'),
  total.ending.toLocaleString('en'),
];

/** The totals, and the groups before them. */
export function formatForecast({ from, until }: ForecastRange, totals: ForecastTotals): string {
  const range = `forecast from ${isoTime(from)} to ${isoTime(until)}`;
  const groups = totals.groups ?? [];
  const all = totals.totals;
  if (all.length === 0) return `${range}\nnothing is due in this time`;
  const rows = [
    ['', ...columns],
    ...groups.map((group) => ['day' in group ? group.day : group.plan, ...toCells(group)]),
    ...all.map((total) => ['total', ...toCells(total)]),
  ];
  return `${range}\n${formatTable(rows, [1, 2, 3, 4])}`;
}
