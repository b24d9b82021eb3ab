import { z } from 'zod';
import { toNodeLinks } from '../../catalog/links.ts';
import { createCustomer, setCustomer } from '../../subscription/commands/customer.ts';
import {
  type CustomerKey,
  type CustomerView,
  readCustomerKey,
  readCustomerView,
  readCustomerWithNodes,
  readSubscriptionPage,
} from '../../subscription/queries/customer-view.ts';
import { readEvents, readLedger } from '../../subscription/queries/history.ts';
import { canSeeSecrets, hideCredential } from '../redact.ts';
import { defineRoute, type RouteContext } from '../route.ts';
import {
  byTelegramId,
  createPageSchema,
  createTextSchema,
  currencySchema,
  moneySchema,
  pageQuery,
  parsePageQuery,
  parseTelegramIdParam,
  rowIdSchema,
  telegramIdSchema,
  timeSchema,
  toPage,
} from '../schemas.ts';
import { ledgerEntryShape, timelineEventShape } from './history-shapes.ts';
import { linkAnswerShape, nextChargeShape, subscriptionShape } from './shapes.ts';

const tag = 'Customers';

const profileFields = {
  locale: createTextSchema(35).optional().describe('language, like en or ru'),
  time_zone: createTextSchema(64).optional().describe('IANA zone, like Europe/Moscow'),
};

const customerShape = z.object({
  id: rowIdSchema,
  telegram_id: telegramIdSchema,
  locale: z.string(),
  time_zone: z.string(),
  currency: currencySchema,
  vip: z.boolean(),
  discount_percent: z.number().int(),
  reachable: z.boolean(),
  sub_token: z.string().describe('the secret of the subscription URL, /sub/{sub_token}'),
});

const customerAnswer = customerShape.meta({ title: 'Customer' });

const toProfile = (body: { locale?: string | undefined; time_zone?: string | undefined }) => ({
  ...(body.locale === undefined ? {} : { locale: body.locale }),
  ...(body.time_zone === undefined ? {} : { timeZone: body.time_zone }),
});

const create = defineRoute({
  method: 'POST',
  path: '/v1/customers',
  id: 'createCustomer',
  tag,
  summary: 'Add a customer without money or rights',
  scope: 'sell',
  status: 201,
  body: z.strictObject({
    telegram_id: telegramIdSchema,
    currency: currencySchema.optional(),
    ...profileFields,
  }),
  answer: customerAnswer,
  refusals: ['customer_exists', 'bad_locale', 'bad_time_zone'],
  handle: (context, { body, caller }) =>
    createCustomer(caller, {
      telegramId: BigInt(body.telegram_id),
      currency: body.currency ?? context.currency,
      ...toProfile(body),
    }),
});

const show = defineRoute({
  method: 'GET',
  path: '/v1/customers/{telegram_id}',
  id: 'getCustomer',
  tag,
  summary: 'Read a customer with balance, subscriptions and links',
  scope: 'read',
  params: byTelegramId,
  answer: customerShape.extend({
    sub_token: customerShape.shape.sub_token.nullable().describe('null with the scope `read`'),
    balance: moneySchema,
    claim: moneySchema.describe('claim of chargebacks; top-ups pay it first'),
    trial_used_at: timeSchema.nullable(),
    blocked_at: timeSchema.nullable(),
    blocked_reason: z.string().nullable().describe('why an operator blocked the customer'),
    created_at: timeSchema,
    next_charge: nextChargeShape.describe('the earliest charge of the subscriptions'),
    subscriptions: z
      .array(subscriptionShape.meta({ title: 'Subscription' }))
      .describe('at most 100; GET …/subscriptions lists all'),
    subscriptions_total: z.number().int(),
    links: z.array(linkAnswerShape).nullable().describe('null with the scope `read`'),
  }),
  refusals: ['no_customer'],
  async handle({ db }, { params, holder }) {
    const telegramId = parseTelegramIdParam(params);
    if (!canSeeSecrets(holder)) {
      const { subscriptions, ...view } = toAnswer(await readCustomerView(db, telegramId, 0));
      const visible = subscriptions.map(hideCredential);
      return { ...view, sub_token: null, subscriptions: visible, links: null };
    }
    const { view, openNodes } = await readCustomerWithNodes(db, telegramId);
    return { ...toAnswer(view), links: toNodeLinks(openNodes) };
  },
});

const toAnswer = ({ customer, next_charge, subscriptions, subscriptions_total }: CustomerView) => ({
  ...customer,
  next_charge,
  subscriptions,
  subscriptions_total,
});

const nextCharge = defineRoute({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/next-charge',
  id: 'getNextCharge',
  tag,
  summary: 'Read the earliest charge of the subscriptions, and its reason',
  scope: 'read',
  params: byTelegramId,
  answer: nextChargeShape,
  refusals: ['no_customer'],
  async handle({ db }, { params }) {
    return (await readCustomerView(db, parseTelegramIdParam(params), 0)).next_charge;
  },
});

const change = defineRoute({
  method: 'PATCH',
  path: '/v1/customers/{telegram_id}',
  id: 'changeCustomer',
  tag,
  summary: 'Change the language, the time zone and the reachability of a customer',
  scope: 'sell',
  params: byTelegramId,
  body: z
    .strictObject({
      ...profileFields,
      reachable: z.boolean().optional().describe('true if notifications reach the customer again'),
      new_sub_token: z
        .literal(true)
        .optional()
        .describe('create a new subscription URL; the old one ends'),
    })
    .refine((body) => Object.keys(body).length > 0, 'names nothing to change')
    .meta({ minProperties: 1 }),
  answer: customerAnswer,
  refusals: ['no_customer', 'bad_locale', 'bad_time_zone'],
  handle: (_, { params, body, caller }) =>
    setCustomer(caller, {
      telegramId: parseTelegramIdParam(params),
      ...toProfile(body),
      ...(body.reachable === undefined ? {} : { reachable: body.reachable }),
      ...(body.new_sub_token === undefined ? {} : { newSubToken: true }),
    }),
});

const discount = defineRoute({
  method: 'PATCH',
  path: '/v1/customers/{telegram_id}/discount',
  id: 'changeDiscount',
  tag,
  summary: 'Set VIP or a personal discount',
  scope: 'admin',
  params: byTelegramId,
  body: z
    .strictObject({
      vip: z.boolean().optional(),
      discount_percent: z.number().int().min(0).max(100).optional(),
    })
    .refine((body) => Object.keys(body).length > 0, 'names nothing to change')
    .meta({ minProperties: 1 }),
  answer: customerAnswer,
  refusals: ['no_customer'],
  handle: (_, { params, body, caller }) =>
    setCustomer(caller, {
      telegramId: parseTelegramIdParam(params),
      ...(body.vip === undefined ? {} : { vip: body.vip }),
      ...(body.discount_percent === undefined ? {} : { discountPercent: body.discount_percent }),
    }),
});

/** A page of the timeline of a customer. */
async function readHistoryPage<Line extends { readonly id: number }>(
  { db }: RouteContext,
  request: {
    readonly params: { readonly telegram_id: string };
    readonly query: z.output<typeof pageQuery>;
  },
  read: (
    customer: CustomerKey,
    page: { readonly max: number; readonly before: bigint | undefined },
  ) => Promise<Line[]>,
) {
  const { max, before } = parsePageQuery(request.query);
  const customer = await readCustomerKey(db, parseTelegramIdParam(request.params));
  return toPage(await read(customer, { max: max + 1, before }), max);
}

const ledger = defineRoute({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/ledger',
  id: 'getLedger',
  tag,
  isList: true,
  summary: 'List the ledger, the latest entry first',
  scope: 'read',
  params: byTelegramId,
  query: pageQuery,
  answer: createPageSchema(ledgerEntryShape),
  refusals: ['no_customer'],
  handle: (context, request) =>
    readHistoryPage(context, request, ({ id, currency: of }, page) =>
      readLedger(context.db, id, of, page),
    ),
});

const subscriptions = defineRoute({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/subscriptions',
  id: 'getSubscriptions',
  tag,
  summary: 'List subscriptions, the latest first',
  scope: 'read',
  params: byTelegramId,
  query: pageQuery,
  answer: createPageSchema(subscriptionShape),
  refusals: ['no_customer'],
  async handle(context, request) {
    const page = await readHistoryPage(context, request, (customer, of) =>
      readSubscriptionPage(context.db, customer, of),
    );
    if (canSeeSecrets(request.holder)) return page;
    return { ...page, items: page.items.map(hideCredential) };
  },
});

const timeline = defineRoute({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/timeline',
  id: 'getTimeline',
  tag,
  isList: true,
  summary: 'List the timeline, the latest event first',
  scope: 'read',
  params: byTelegramId,
  query: pageQuery,
  answer: createPageSchema(timelineEventShape),
  refusals: ['no_customer'],
  handle: (context, request) =>
    readHistoryPage(context, request, ({ id }, page) => readEvents(context.db, id, page)),
});

export const customerRoutes = [
  create,
  show,
  nextCharge,
  change,
  discount,
  ledger,
  subscriptions,
  timeline,
];
