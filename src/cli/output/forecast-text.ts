import type { ForecastRange } from '../../forecast/forecast.ts';
import type { PlannedOutcome } from '../../forecast/outcomes.ts';
import type { ForecastTotal, ForecastTotals } from '../../forecast/totals.ts';
import { isoTime } from '../../kernel/instant.ts';
import { moneyText } from '../../kernel/money.ts';
import { formatTable } from '../command.ts';

/** Columns have a fixed width, because later lines are unknown. */
const widths = [12, 12, 7, 24];
const formatLine = (cells: readonly string[]): string =>
  cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join('  ')
    .trimEnd();

export const outcomeHeader = formatLine(['CUSTOMER', 'SUBSCRIPTION', 'OUTCOME', 'START', 'AMOUNT']);

/** One outcome as a line below `outcomeHeader`. */
export function formatOutcome(outcome: PlannedOutcome): string {
  const { telegramId, subscriptionId, amountMinor, currency, startsAt } = outcome;
  return formatLine([
    telegramId.toString(),
    subscriptionId.toString(),
    outcome.outcome,
    isoTime(startsAt),
    amountMinor === null ? '' : moneyText(amountMinor, currency),
  ]);
}

const header = ['RENEWALS', 'AMOUNT', 'SHORT BALANCES', 'ENDS'];

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
    ['', ...header],
    ...groups.map((group) => ['day' in group ? group.day : group.plan, ...toCells(group)]),
    ...all.map((total) => ['total', ...toCells(total)]),
  ];
  return `${range}\n${formatTable(rows, [1, 2, 3, 4])}`;
}
