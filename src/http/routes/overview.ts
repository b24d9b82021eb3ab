import { z } from 'zod';
import { readProblems } from '../../problems/store.ts';
import { readOverview } from '../../reports/overview.ts';
import { defineRoute } from '../route.ts';
import { currencySchema, moneySchema, timeSchema } from '../schemas.ts';
import { reasonShape } from './shapes.ts';

const tag = 'Operations';
const count = z.number().int();

const linkShape = z
  .object({
    list: z.enum(['ledger', 'subscriptions', 'customers', 'problems', 'notices', 'nodes']),
    query: z.record(z.string(), z.string()),
  })
  .meta({ title: 'ListLink' })
  .describe('the list and its parameters that show the rows of the figure');

const amountsShape = z.array(
  z.object({ currency: currencySchema, count, amount: moneySchema }).meta({ title: 'Amount' }),
);
const todayShape = z.object({
  since: timeSchema.describe('start of the day in UTC'),
  amounts: amountsShape,
  link: linkShape,
});
const countShape = z
  .object({ count, count_is_estimated: z.boolean().describe('true above 10000'), link: linkShape })
  .meta({ title: 'LinkedCount' });

const overview = defineRoute({
  method: 'GET',
  path: '/v1/overview',
  id: 'overview',
  tag,
  isList: true,
  summary: 'Read the figures of the present moment, each with the list behind it',
  scope: 'read',
  answer: z.object({
    now: timeSchema,
    collected_today: todayShape.describe('top-ups'),
    charged_today: todayShape.describe('purchases and renewals'),
    due_24h: z
      .object({
        count,
        amounts: amountsShape,
        source: z
          .enum(['forecast', 'prices'])
          .describe('prices: there is no recent forecast, so all due subscriptions were read'),
        as_of: timeSchema.nullable().describe('time of the forecast'),
        link: linkShape,
      })
      .describe('renewals that become due, whether or not the balance covers them'),
    late: countShape.describe('past the end, and auto-renewal has not tried them'),
    short: countShape.describe('tried, and waiting, mostly for money'),
    held: z
      .object({
        count,
        items: z.array(
          z.object({
            kind: z.enum(['charges', 'ends', 'removals']),
            worker: z.string(),
            subject: z.string().describe('worker or node'),
            count,
          }),
        ),
        link: linkShape,
      })
      .describe('what guards hold'),
    pending_notices: countShape,
    nodes: z.object({ up: count, down: count, draining: count, link: linkShape }),
    last_audit: z
      .object({
        kind: z.enum(['everything', 'changes']),
        at: timeSchema,
        ok: z.boolean(),
        violations: count,
        took_ms: count,
      })
      .meta({ title: 'LastAudit' })
      .nullable()
      .describe('null: no audit has ended yet'),
    active_subscriptions: countShape,
    subscriptions: countShape,
    customers: countShape,
  }),
  handle: ({ db }) => readOverview(db),
});

const problems = defineRoute({
  method: 'GET',
  path: '/v1/problems',
  id: 'listProblems',
  tag,
  isList: true,
  summary: 'List what is wrong now, the worst first, each with its remedy',
  scope: 'read',
  answer: z.object({
    items: z.array(
      reasonShape
        .extend({
          since: timeSchema.nullable().describe('null: the start is unknown'),
          remedy: z.string(),
          command: z.string().nullable().describe('the command that helps'),
          action: z
            .object({
              code: z.enum(['accept_clock', 'confirm_held', 'run_worker', 'retry_items']),
              method: z.literal('POST'),
              path: z.string(),
              body: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).nullable(),
              scope: z.literal('admin'),
            })
            .meta({ title: 'RemedyAction' })
            .nullable()
            .describe('the request that applies the remedy; null: there is none'),
          count: z.number().int().nullable().describe('customers or items that wait'),
        })
        .meta({ title: 'CurrentProblem' }),
    ),
  }),
  handle: async ({ db }) => ({ items: (await readProblems(db)).map(toProblemAnswer) }),
});

const toProblemAnswer = ({
  action,
  ...problem
}: Awaited<ReturnType<typeof readProblems>>[number]) => ({
  ...problem,
  params: { ...problem.params },
  action:
    action === null ? null : { ...action, body: action.body === null ? null : { ...action.body } },
});

export const overviewRoutes = [overview, problems];
