import { z } from 'zod';
import { linksOf } from '../../catalog/links.ts';
import { ledgerKinds } from '../../db/schema-ledger.ts';
import { createCustomer, setCustomer } from '../../subscription/customers.ts';
import { eventsOf, ledgerOf } from '../../subscription/history.ts';
import {
  type CustomerKey,
  customerKeyOf,
  portraitOf,
  subscriptionPage,
} from '../../subscription/portrait.ts';
import { seesSecrets, withoutCredential } from '../redact.ts';
import { type Kit, route } from '../route.ts';
import {
  byTelegramId,
  currency,
  listOf,
  money,
  paged,
  pageOf,
  pageQuery,
  rowId,
  telegramId,
  telegramIdOf,
  text,
  time,
} from '../schemas.ts';
import { linkShape, subscriptionShape } from './shapes.ts';

const tag = 'Customers';

const particulars = {
  locale: text(35).optional().describe('language, as en or ru'),
  time_zone: text(64).optional().describe('IANA zone, as Europe/Moscow'),
};

const customerShape = z.object({
  id: rowId,
  telegram_id: telegramId,
  locale: z.string(),
  time_zone: z.string(),
  currency,
  vip: z.boolean(),
  discount_percent: z.number().int(),
  reachable: z.boolean(),
  sub_token: z.string().describe('the secret of the subscription URL, /sub/{sub_token}'),
});

const customerAnswer = customerShape.meta({ title: 'Customer' });

const given = (body: { locale?: string | undefined; time_zone?: string | undefined }) => ({
  ...(body.locale === undefined ? {} : { locale: body.locale }),
  ...(body.time_zone === undefined ? {} : { timeZone: body.time_zone }),
});

const create = route({
  method: 'POST',
  path: '/v1/customers',
  id: 'createCustomer',
  tag,
  summary: 'Add a customer without money or rights',
  scope: 'sell',
  status: 201,
  body: z.strictObject({ telegram_id: telegramId, currency: currency.optional(), ...particulars }),
  answer: customerAnswer,
  refusals: ['customer_exists', 'bad_locale', 'bad_time_zone'],
  handle: (kit, { body, call }) =>
    createCustomer(call, {
      telegramId: BigInt(body.telegram_id),
      currency: body.currency ?? kit.currency,
      ...given(body),
    }),
});

const show = route({
  method: 'GET',
  path: '/v1/customers/{telegram_id}',
  id: 'getCustomer',
  tag,
  summary: 'Read a customer with balance, subscriptions and links',
  scope: 'read',
  params: byTelegramId,
  answer: customerShape.extend({
    sub_token: customerShape.shape.sub_token.nullable().describe('null with the scope `read`'),
    balance: money,
    claim: money.describe('claim of chargebacks; top-ups pay it first'),
    trial_used_at: time.nullable(),
    created_at: time,
    subscriptions: z
      .array(subscriptionShape.meta({ title: 'Subscription' }))
      .describe('at most 100; GET …/subscriptions lists all'),
    subscriptions_total: z.number().int(),
    links: z.array(linkShape).nullable().describe('null with the scope `read`'),
  }),
  refusals: ['no_customer'],
  async handle({ db }, { params, holder }) {
    const who = telegramIdOf(params);
    const { customer, subscriptions, subscriptions_total } = await portraitOf(db, who, 0);
    const all = { ...customer, subscriptions_total };
    if (seesSecrets(holder)) return { ...all, subscriptions, links: await linksOf(db, who) };
    const shown = subscriptions.map(withoutCredential);
    return { ...all, sub_token: null, subscriptions: shown, links: null };
  },
});

const change = route({
  method: 'PATCH',
  path: '/v1/customers/{telegram_id}',
  id: 'changeCustomer',
  tag,
  summary: 'Change the language, the time zone and the reachability of a customer',
  scope: 'sell',
  params: byTelegramId,
  body: z
    .strictObject({
      ...particulars,
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
  handle: (_, { params, body, call }) =>
    setCustomer(call, {
      telegramId: telegramIdOf(params),
      ...given(body),
      ...(body.reachable === undefined ? {} : { reachable: body.reachable }),
      ...(body.new_sub_token === undefined ? {} : { newSubToken: true }),
    }),
});

const discount = route({
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
  handle: (_, { params, body, call }) =>
    setCustomer(call, {
      telegramId: telegramIdOf(params),
      ...(body.vip === undefined ? {} : { vip: body.vip }),
      ...(body.discount_percent === undefined ? {} : { discountPercent: body.discount_percent }),
    }),
});

/** A page of what happened to a customer. */
async function historyOf<Line extends { readonly id: number }>(
  { db }: Kit,
  asked: {
    readonly params: { readonly telegram_id: string };
    readonly query: z.output<typeof pageQuery>;
  },
  read: (
    customer: CustomerKey,
    page: { readonly max: number; readonly before: bigint | undefined },
  ) => Promise<Line[]>,
) {
  const { max, before } = pageOf(asked.query);
  const customer = await customerKeyOf(db, telegramIdOf(asked.params));
  return paged(await read(customer, { max: max + 1, before }), max);
}

const ledger = route({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/ledger',
  id: 'getLedger',
  tag,
  isList: true,
  summary: 'List the ledger, the latest entry first',
  scope: 'read',
  params: byTelegramId,
  query: pageQuery,
  answer: listOf(
    z
      .object({
        id: rowId,
        kind: z.enum(ledgerKinds),
        amount: money,
        balance_after: money,
        provider: z.string().nullable(),
        provider_ref: z.string().nullable(),
        dispute: z.string().nullable().describe('of a chargeback'),
        claim: money.nullable().describe('the change of the claim with this entry'),
        created_at: time,
      })
      .meta({ title: 'LedgerEntry' }),
  ),
  refusals: ['no_customer'],
  handle: (kit, asked) =>
    historyOf(kit, asked, ({ id, currency: of }, page) => ledgerOf(kit.db, id, of, page)),
});

const subscriptions = route({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/subscriptions',
  id: 'getSubscriptions',
  tag,
  summary: 'List subscriptions, the latest first',
  scope: 'read',
  params: byTelegramId,
  query: pageQuery,
  answer: listOf(subscriptionShape),
  refusals: ['no_customer'],
  async handle(kit, asked) {
    const page = await historyOf(kit, asked, (customer, of) =>
      subscriptionPage(kit.db, customer, of),
    );
    if (seesSecrets(asked.holder)) return page;
    return { ...page, items: page.items.map(withoutCredential) };
  },
});

const timeline = route({
  method: 'GET',
  path: '/v1/customers/{telegram_id}/timeline',
  id: 'getTimeline',
  tag,
  isList: true,
  summary: 'List the timeline, the latest event first',
  scope: 'read',
  params: byTelegramId,
  query: pageQuery,
  answer: listOf(
    z
      .object({
        id: rowId,
        subject: z.string(),
        action: z.string(),
        actor: z.string(),
        at: time,
        detail: z.record(z.string(), z.unknown()),
      })
      .meta({ title: 'TimelineEvent' }),
  ),
  refusals: ['no_customer'],
  handle: (kit, asked) => historyOf(kit, asked, ({ id }, page) => eventsOf(kit.db, id, page)),
});

export const customers = [create, show, change, discount, ledger, subscriptions, timeline];
