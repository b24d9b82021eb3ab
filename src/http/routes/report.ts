import { z } from 'zod';
import { longLimits, openDatabase, openPool } from '../../db/connect.ts';
import { refused } from '../../kernel/faults.ts';
import { isMonthLabel } from '../../reports/month.ts';
import { exportMonth, monthFileNames } from '../../reports/month-file.ts';
import { readReport } from '../../reports/report.ts';
import { toReportJson } from '../../reports/report-json.ts';
import { type CsvFile, defineRoute } from '../route.ts';
import { currencySchema, moneySchema, timeSchema } from '../schemas.ts';

const monthSchema = z.string().refine(isMonthLabel, 'is not a month; expected one like 2026-11');
const count = z.number().int();
const rate = z.number().nullable().describe('a share of 1; null: there is nothing to divide by');
const counted = z.object({ count, amount: moneySchema });

const currencyReportShape = z
  .object({
    currency: currencySchema,
    collected: counted.extend({
      providers: z.array(counted.extend({ provider: z.string().nullable() })),
      charged_back: counted.describe('whole payments that providers took back'),
    }),
    charged: counted.extend({ purchases: counted, renewals: counted }),
    refunded: counted,
    paid_out: counted,
    earned: moneySchema.describe('by day used'),
    owed: z
      .object({
        balances: moneySchema,
        unused_time: moneySchema,
        periods: count.describe('charged periods that are not over'),
        claims: moneySchema.describe('what customers owe'),
      })
      .describe('to customers, at the end'),
    balances: z
      .object({
        start: moneySchema,
        opening: moneySchema,
        collected: moneySchema,
        moved: moneySchema,
        adjustments: moneySchema,
        refunds: moneySchema,
        purchases: moneySchema,
        renewals: moneySchema,
        payouts: moneySchema,
        chargebacks: moneySchema,
        claims: moneySchema,
        end: moneySchema,
      })
      .describe('the lines add up from start to end'),
    time: z
      .object({
        start: moneySchema,
        charged: moneySchema,
        earned: moneySchema,
        refunded: moneySchema,
        end: moneySchema,
      })
      .describe('unused time; the lines add up from start to end'),
    mrr: z
      .object({
        start: moneySchema,
        new: moneySchema,
        revived: moneySchema,
        expansion: moneySchema,
        contraction: moneySchema,
        churned: moneySchema,
        end: moneySchema,
      })
      .describe('the lines add up from start to end'),
    customers: z
      .object({ start: count, new: count, revived: count, churned: count, end: count })
      .describe('customers with MRR; the lines add up from start to end'),
    churn: z.object({ customers: rate, money: rate }),
    trials: z.object({ ended: count, paid: count, rate }),
    renewals: z.object({ ended: count, continued: count, rate }),
    lost_because_short: z.object({ subscriptions: count, mrr: moneySchema }),
    cohorts: z.array(
      z.object({
        month: z.string().describe('of the first charge above 0'),
        customers: count,
        paying: count.describe('customers with MRR at the end'),
        charged: moneySchema.describe('in the month of the report'),
        mrr: moneySchema,
      }),
    ),
  })
  .meta({ title: 'CurrencyReport' });

/** One report at a time in this process, because each reads all periods. */
let isReporting = false;

const report = defineRoute({
  method: 'GET',
  path: '/v1/report',
  id: 'report',
  tag: 'Operations',
  isLong: true,
  summary: 'Read the figures of a month, by currency; takes as long as "perennial report"',
  scope: 'admin',
  query: z.object({
    month: monthSchema.optional().describe('in UTC; the last complete month by default'),
  }),
  answer: z.object({
    month: z.string(),
    from: timeSchema,
    until: timeSchema.describe('excluded; within the present month, just after now'),
    complete: z.boolean(),
    now: timeSchema,
    currencies: z.array(currencyReportShape),
  }),
  refusals: ['future_month', 'report_running'],
  async handle({ url }, { query }) {
    if (isReporting) throw refused('report_running', 'a report is running; retry when it ends');
    isReporting = true;
    const db = openDatabase(openPool(url, { limits: longLimits, connectionsMax: 1 }));
    try {
      return toReportJson(await readReport(db, query.month));
    } finally {
      isReporting = false;
      await db.destroy();
    }
  },
});

/** The text in pieces. The first one is read here, so a refusal becomes a problem. */
async function startFile(chunks: AsyncGenerator<string>): Promise<AsyncGenerator<string>> {
  const first = await chunks.next();
  return (async function* () {
    try {
      if (first.done !== true) yield first.value;
      yield* chunks;
    } finally {
      await chunks.return(undefined);
    }
  })();
}

const monthFile = defineRoute({
  method: 'GET',
  path: '/v1/report/{file}',
  id: 'reportFile',
  tag: 'Operations',
  summary: 'Download the ledger or the charged periods of a month as CSV',
  scope: 'admin',
  params: z.object({ file: z.enum(monthFileNames) }),
  query: z.object({ month: monthSchema.describe('in UTC') }),
  isCsvFile: true,
  answer: z.custom<CsvFile>(),
  refusals: ['future_month'],
  async handle({ url }, { params: { file }, query: { month } }) {
    return {
      name: `${file}-${month}.csv`,
      chunks: await startFile(exportMonth({ url, file, month })),
    };
  },
});

export const reportRoutes = [report, monthFile];
