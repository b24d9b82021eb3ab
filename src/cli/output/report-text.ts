import { formatCount } from '../../kernel/count.ts';
import type { CurrencyReportJson, ReportJson } from '../../reports/report-json.ts';
import { formatTable } from '../command.ts';

// The report of a month as text: one block of figures per currency.

/** A figure: its name, its value, and a remark. */
type Line = readonly [name: string, value: string, remark?: string];

const formatRate = (rate: number | null): string =>
  rate === null ? '–' : `${(rate * 100).toFixed(1)}%`;

const formatBlock = (title: string, lines: readonly Line[]): string => {
  const rows = lines.map(([name, value, remark = '']) => [`  ${name}`, value, remark]);
  return `${title}\n${formatTable(rows, [1])}`;
};

/** An amount in the line of a sum: no sign means that it adds. */
const toLines = (
  amounts: Readonly<Record<string, string>>,
  names: Readonly<Record<string, string>> = {},
): Line[] =>
  Object.entries(amounts)
    .filter(([name, amount]) => name === 'start' || name === 'end' || /[1-9]/.test(amount))
    .map(([name, amount]) => [names[name] ?? name, amount]);

function formatCurrency(report: CurrencyReportJson): string {
  const { currency, collected, charged, refunded, owed, lost_because_short: lost } = report;
  const { trials, renewals, churn, customers, cohorts } = report;
  const income: Line[] = [
    ['collected', collected.amount, formatCount(collected.count, 'top-up')],
    ...collected.providers.map(
      ({ provider, amount, count }): Line => [
        `  ${provider ?? 'without a provider'}`,
        amount,
        formatCount(count, 'top-up'),
      ],
    ),
    [
      'charged back',
      collected.charged_back.amount,
      formatCount(collected.charged_back.count, 'payment'),
    ],
    ['charged', charged.amount, formatCount(charged.count, 'period')],
    ['  purchases', charged.purchases.amount, formatCount(charged.purchases.count, 'period')],
    ['  renewals', charged.renewals.amount, formatCount(charged.renewals.count, 'period')],
    ['refunded', refunded.amount, formatCount(refunded.count, 'refund')],
    ['paid out', report.paid_out.amount, formatCount(report.paid_out.count, 'payout')],
    ['earned', report.earned, 'by day used'],
  ];
  const owedLines: Line[] = [
    ['balances', owed.balances],
    ['unused time', owed.unused_time, formatCount(owed.periods, 'period')],
    ['claims on customers', owed.claims],
  ];
  const rates: Line[] = [
    ['churn of customers', formatRate(churn.customers)],
    ['churn of money', formatRate(churn.money)],
    [
      'trial to paid',
      formatRate(trials.rate),
      `${trials.paid} of ${formatCount(trials.ended, 'trial')}`,
    ],
    [
      'renewal rate',
      formatRate(renewals.rate),
      `${renewals.continued} of ${formatCount(renewals.ended, 'period')}`,
    ],
    ['lost because short', lost.mrr, formatCount(lost.subscriptions, 'subscription')],
  ];
  const cohortRows = cohorts.map(({ month, customers: all, paying, charged: paid, mrr }) => [
    `  ${month}`,
    String(all),
    String(paying),
    paid,
    mrr,
  ]);
  const customerLines = Object.entries(customers).map(
    ([name, count]): Line => [name, count.toLocaleString('en')],
  );
  return [
    formatBlock(`${currency}: income`, income),
    formatBlock(`${currency}: owed to customers at the end`, owedLines),
    formatBlock(`${currency}: balances`, toLines(report.balances)),
    formatBlock(`${currency}: unused time`, toLines(report.time)),
    formatBlock(`${currency}: MRR`, toLines(report.mrr)),
    formatBlock(`${currency}: paying customers`, customerLines),
    formatBlock(`${currency}: rates`, rates),
    ...(cohortRows.length === 0
      ? []
      : [
          `${currency}: cohorts by first paid month\n${formatTable(
            [['  MONTH', 'CUSTOMERS', 'PAYING CUSTOMERS', 'CHARGES', 'MRR'], ...cohortRows],
            [1, 2, 3, 4],
          )}`,
        ]),
  ].join('\n\n');
}

/** The report with one block per group of figures. */
export function formatReport({ month, from, until, complete, currencies }: ReportJson): string {
  const state = complete ? '' : ', until now';
  const head = `Report of ${month} (UTC)${state}: from ${from} to ${until}`;
  if (currencies.length === 0) return `${head}\n\nno customers`;
  return [head, ...currencies.map(formatCurrency)].join('\n\n');
}
