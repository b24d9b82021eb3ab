import { z } from 'zod';
import { UsageFault } from '../../kernel/faults.ts';
import { customerSorts, listCustomers } from '../../subscription/queries/customer-list.ts';
import { countList } from '../../subscription/queries/list-count.ts';
import { findListedCustomers, lookupKinds } from '../../subscription/queries/lookup.ts';
import {
  describeFilter,
  type FilterName,
  filterNames,
  parseFilter,
  requireKnownNames,
  type SubscriptionFilter,
} from '../../subscription/queries/subscription-filter.ts';
import {
  listSubscriptions,
  subscriptionSorts,
} from '../../subscription/queries/subscription-list.ts';
import { defineRoute, type RouteContext } from '../route.ts';
import {
  createPageSchema,
  createTextSchema,
  currencySchema,
  moneySchema,
  pageQuery,
  periodDaysSchema,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
} from '../schemas.ts';
import { stateShape } from './shapes.ts';

// The lists of all customers and of all subscriptions, and the lookup of customers.

const filterTextSchema = createTextSchema(100);

/** The filters as query parameters, one for each name. */
export const filterShape = Object.fromEntries(
  filterNames.map((name) => [name, filterTextSchema.optional().describe(describeFilter(name))]),
) as Record<FilterName, z.ZodOptional<typeof filterTextSchema>>;

const createListQuery = (sorts: readonly string[]) =>
  z.object({
    ...filterShape,
    sort: z
      .enum(sorts.flatMap((name) => [name, `-${name}`]))
      .optional()
      .describe('the order; - reverses it'),
    limit: pageQuery.shape.limit,
    cursor: createTextSchema(300)
      .optional()
      .describe('`next_cursor` of the page before, with the same filters and order'),
    count: z.enum(['yes', 'no']).optional().describe('count the rows of all pages [no]'),
    format: z.enum(['json', 'csv']).optional().describe('csv: the items as text/csv [json]'),
  });

const countShape = {
  count: z.number().int().nullable().describe('null without count=yes'),
  count_is_estimated: z.boolean().nullable().describe('true above 10000'),
};

type ListQuery = z.output<ReturnType<typeof createListQuery>>;

async function readFilter(db: RouteContext['db'], query: ListQuery): Promise<SubscriptionFilter> {
  const filter = parseFilter(
    Object.fromEntries(filterNames.map((name) => [name, query[name]]).filter(([, text]) => text)),
  );
  await requireKnownNames(db, filter);
  return filter;
}

const toRequest = (query: ListQuery, filter: SubscriptionFilter) => ({
  filter,
  max: Number(query.limit ?? 50),
  sort: query.sort,
  cursor: query.cursor,
});

async function readCount(
  db: RouteContext['db'],
  list: 'customers' | 'subscriptions',
  query: ListQuery,
  filter: SubscriptionFilter,
) {
  if (query.count !== 'yes') return { count: null, count_is_estimated: null };
  return countList(db, list, filter);
}

const listRefusals = ['bad_filter', 'no_plan', 'no_group', 'bad_cursor', 'other_list'];

export const listedCustomer = z
  .object({
    id: rowIdSchema,
    telegram_id: telegramIdSchema,
    locale: z.string(),
    currency: currencySchema,
    balance: moneySchema,
    claim: moneySchema,
    vip: z.boolean(),
    discount_percent: z.number().int(),
    reachable: z.boolean(),
    blocked_at: timeSchema.nullable(),
    blocked_reason: z.string().nullable(),
    created_at: timeSchema,
    active: z.number().int().describe('active subscriptions'),
    expires_at: timeSchema.nullable().describe('the latest end of an active subscription'),
    matched_by: z.enum(lookupKinds).nullable().describe('of a lookup: what the value is'),
  })
  .meta({ title: 'ListedCustomer' });

const customers = defineRoute({
  method: 'GET',
  path: '/v1/customers',
  id: 'listCustomers',
  tag: 'Customers',
  isList: true,
  summary: 'List customers by filters, or find customers by a value',
  scope: 'read',
  query: createListQuery(customerSorts).extend({
    lookup: createTextSchema(200)
      .optional()
      .describe(
        'a Telegram id, a customer id like c123, a UUID, a sub_token or a payment reference; no other parameter',
      ),
  }),
  answer: createPageSchema(listedCustomer).extend(countShape),
  csvColumns: Object.keys(listedCustomer.shape),
  refusals: listRefusals,
  async handle({ db }, { query }) {
    if (query.lookup !== undefined) return findByLookup(db, query.lookup, query);
    const filter = await readFilter(db, query);
    const page = await listCustomers(db, toRequest(query, filter));
    const items = page.items.map((item) => ({ ...item, matched_by: null }));
    return { ...page, items, ...(await readCount(db, 'customers', query, filter)) };
  },
});

async function findByLookup(db: RouteContext['db'], value: string, query: ListQuery) {
  const used = Object.keys(query).find((name) => !['lookup', 'format'].includes(name));
  if (used !== undefined)
    throw new UsageFault('bad_filter', `${used}: cannot be used together with lookup`);
  const items = await findListedCustomers(db, value);
  return { items, next_cursor: null, count: items.length, count_is_estimated: false };
}

const listedSubscription = z
  .object({
    id: rowIdSchema,
    telegram_id: telegramIdSchema,
    kind: z.enum(['trial', 'paid']),
    plan: z.string(),
    period_days: periodDaysSchema,
    state: stateShape,
    started_at: timeSchema,
    expires_at: timeSchema,
    auto_renew: z.boolean(),
    balance: moneySchema.describe('of the customer'),
    currency: currencySchema,
    missing: moneySchema
      .nullable()
      .describe('the top-up that the next renewal needs; only with short=yes'),
  })
  .meta({ title: 'ListedSubscription' });

const subscriptions = defineRoute({
  method: 'GET',
  path: '/v1/subscriptions',
  id: 'listSubscriptions',
  tag: 'Subscriptions',
  isList: true,
  summary: 'List subscriptions of all customers by filters',
  scope: 'read',
  query: createListQuery(subscriptionSorts),
  answer: createPageSchema(listedSubscription).extend(countShape),
  csvColumns: Object.keys(listedSubscription.shape),
  refusals: listRefusals,
  async handle({ db }, { query }) {
    const filter = await readFilter(db, query);
    const page = await listSubscriptions(db, toRequest(query, filter));
    return {
      items: [...page.items],
      next_cursor: page.next_cursor,
      ...(await readCount(db, 'subscriptions', query, filter)),
    };
  },
});

export const listRoutes = [customers, subscriptions];
