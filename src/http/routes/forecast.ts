import { z } from 'zod';
import { openSingleConnection } from '../../db/single-connection.ts';
import {
  type ForecastRequest,
  forecastDaysMax,
  forecastOutcomes,
} from '../../forecast/forecast.ts';
import type { PlannedOutcome } from '../../forecast/outcomes.ts';
import { ForecastTotals, toForecastDay, toOutcomeJson } from '../../forecast/totals.ts';
import { requirePlans, tryParsePrices } from '../../forecast/what-if.ts';
import { refused } from '../../kernel/faults.ts';
import { isoTime } from '../../kernel/instant.ts';
import { defineRoute } from '../route.ts';
import {
  createTextSchema,
  currencySchema,
  moneySchema,
  planKeySchema,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';

const tag = 'Operations';

const totalFields = {
  currency: currencySchema,
  renewals: z.number().int(),
  amount: moneySchema.describe('charges of the renewals'),
  short: z.number().int().describe('ends because the balance is too low'),
  ending: z.number().int().describe('trials, and subscriptions without auto-renewal or price'),
};

/** One forecast at a time in this process, because each reads the whole database. */
let isForecasting = false;
/** More rows fill the memory of the service. The command prints any number. */
const rowsMax = 10_000;
const defaultDays = 30;

const outcomeSchema = z.enum(['renewed', 'short', 'ends']);

const querySchema = z.object({
  days: z
    .string()
    .regex(/^([1-9]\d?|[12]\d\d|3[0-5]\d|36[0-6])$/, `is not a number from 1 to ${forecastDaysMax}`)
    .optional()
    .describe(`1 to ${forecastDaysMax}; ${defaultDays} by default`),
  by: z.enum(['day', 'plan', 'customer']).optional().describe('list also these parts'),
  prices: createTextSchema(2_000)
    .refine(
      (text) => tryParsePrices(text) !== undefined,
      'is not a list of prices; expected one like "basic/30/RUB=199.00,plus/30/RUB=299.00"',
    )
    .optional()
    .describe('these prices apply from now on: plan/days/currency=amount, separated by commas'),
  day: z.iso.date().optional().describe('with by=customer: only the rows of this day, in UTC'),
  outcome: outcomeSchema.optional().describe('with by=customer: only the rows of this outcome'),
  limit: z
    .string()
    .regex(/^([1-9]\d{0,2}|1000)$/, 'is not a number from 1 to 1000')
    .optional()
    .describe('with by=customer: the first rows; `rows_total` counts all of them'),
});

const readForecast = defineRoute({
  method: 'GET',
  path: '/v1/forecast',
  id: 'forecast',
  tag,
  isLong: true,
  summary: 'List what the workers will charge and end in the next days, if no command follows',
  scope: 'read',
  query: querySchema,
  answer: z.object({
    from: timeSchema,
    days: z.number().int(),
    totals: z.array(z.object(totalFields).meta({ title: 'ForecastTotal' })),
    groups: z
      .array(
        z
          .object({
            day: z.iso.date().optional().describe('day of the charge or the end, in UTC'),
            plan: planKeySchema.optional(),
            ...totalFields,
          })
          .meta({ title: 'ForecastGroup' }),
      )
      .optional()
      .describe('present with by=day and by=plan'),
    rows: z
      .array(
        z
          .object({
            telegram_id: telegramIdSchema,
            subscription_id: rowIdSchema,
            outcome: outcomeSchema,
            starts_at: timeSchema.describe('start of the next period'),
            amount: moneySchema.nullable().describe('charge, also a short one; null: it ends'),
            currency: currencySchema,
          })
          .meta({ title: 'ForecastRow' }),
      )
      .optional()
      .describe('present with by=customer; a subscription has a row for each end'),
    rows_total: z.number().int().optional().describe('present with by=customer'),
  }),
  refusals: ['forecast_running', 'too_many_rows', 'no_plan'],
  async handle({ db, url }, { query, signal }) {
    const prices = tryParsePrices(query.prices ?? '') ?? [];
    const plans = prices.map(({ plan }) => plan);
    await requirePlans(db, plans, () => 'prices');
    if (isForecasting)
      throw refused('forecast_running', 'a forecast is running; retry when it ends');
    isForecasting = true;
    try {
      return await answerForecast(url, query, { prices, signal });
    } finally {
      isForecasting = false;
    }
  },
});

async function answerForecast(
  url: string,
  { days: daysText, by, day, outcome, limit }: z.output<typeof querySchema>,
  request: Pick<ForecastRequest, 'prices' | 'signal'>,
) {
  const days = Number(daysText ?? defaultDays);
  const isListed = (one: PlannedOutcome): boolean =>
    by === 'customer' &&
    (day === undefined || toForecastDay(one.at) === day) &&
    (outcome === undefined || one.outcome === outcome);
  const totals = new ForecastTotals(by === 'customer' ? undefined : by);
  const rows: PlannedOutcome[] = [];
  let rowsTotal = 0;
  const report = (one: PlannedOutcome) => {
    totals.add(one);
    if (!isListed(one)) return;
    rowsTotal += 1;
    if (rowsTotal <= Number(limit ?? rowsMax)) rows.push(one);
    else if (limit === undefined) throw createTooManyRowsFault();
  };
  await using connection = await openSingleConnection(url);
  const range = await forecastOutcomes(connection.db, { ...request, days }, report);
  const { groups } = totals;
  return {
    from: isoTime(range.from),
    days,
    totals: totals.totals,
    ...(groups === undefined ? {} : { groups }),
    ...(by === 'customer' && {
      rows: rows.map(toOutcomeJson).map(withPlainIds),
      rows_total: rowsTotal,
    }),
  };
}

const withPlainIds = ({
  telegram_id,
  subscription_id,
  ...row
}: ReturnType<typeof toOutcomeJson>) => ({
  telegram_id: Number(telegram_id),
  subscription_id: Number(subscription_id),
  ...row,
});

const createTooManyRowsFault = () =>
  refused(
    'too_many_rows',
    `the forecast has more than ${rowsMax.toLocaleString('en')} rows; use limit, fewer days, by=day or by=plan`,
    'perennial forecast --by customer prints any number',
  );

export const forecastRoutes = [readForecast];
