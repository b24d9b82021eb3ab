import { z } from 'zod';
import { isJsonEqual } from '../../kernel/json-equal.ts';
import { runAndRollBack } from '../../subscription/commands/preview.ts';
import { type CustomerView, readCurrentView } from '../../subscription/queries/customer-view.ts';
import type { SubscriptionDetails } from '../../subscription/queries/subscription-details.ts';
import { lockCustomer } from '../../subscription/store/locked-customer.ts';
import type { Route } from '../route.ts';
import { currencySchema, moneySchema, parseSubscriptionIdParam, timeSchema } from '../schemas.ts';
import { nextChargeShape, subscriptionShape } from './shapes.ts';

// The preview of a change of one customer: the customer before and after it.
//
// 1. The change runs by its own function, in a transaction that is rolled back. So it gives the
//    same answer and the same refusals.
// 2. The customer is locked before the first read, so no other change is in the difference.

const subscriptionState = subscriptionShape
  .pick({
    id: true,
    kind: true,
    plan: true,
    period_days: true,
    next_plan: true,
    next_period_days: true,
    state: true,
    expires_at: true,
    auto_renew: true,
  })
  .extend({ next_charge: nextChargeShape })
  .meta({ title: 'SubscriptionState' });

const customerState = z
  .object({
    balance: moneySchema,
    claim: moneySchema,
    currency: currencySchema,
    vip: z.boolean(),
    discount_percent: z.number().int(),
    blocked_at: timeSchema.nullable(),
    next_charge: nextChargeShape.describe('the earliest charge of the subscriptions'),
    subscriptions: z
      .array(subscriptionState)
      .describe('those that the change concerns, of the latest 100'),
  })
  .meta({ title: 'CustomerState' });

type State = z.output<typeof customerState>;

const toState = ({ customer, next_charge, subscriptions }: CustomerView): State => ({
  balance: customer.balance,
  claim: customer.claim,
  currency: customer.currency,
  vip: customer.vip,
  discount_percent: customer.discount_percent,
  blocked_at: customer.blocked_at,
  next_charge,
  subscriptions: subscriptions.map(toSubscriptionState),
});

const toSubscriptionState = (details: SubscriptionDetails): State['subscriptions'][number] => ({
  id: details.id,
  kind: details.kind,
  plan: details.plan,
  period_days: details.period_days,
  next_plan: details.next_plan,
  next_period_days: details.next_period_days,
  state: details.state,
  expires_at: details.expires_at,
  auto_renew: details.auto_renew,
  next_charge: details.next_charge,
});

/** A charge that is due has the time of the read, so this time alone is no difference. */
const withoutChargeTime = ({ next_charge, ...rest }: State['subscriptions'][number]) => ({
  ...rest,
  next_charge: { ...next_charge, at: null },
});

/** Keeps the subscriptions that are not the same in both states. */
function keepChanged(before: State, after: State): { before: State; after: State } {
  const isChanged = (id: number): boolean => {
    const [old, present] = [before, after].map((state) =>
      state.subscriptions.filter((one) => one.id === id).map(withoutChargeTime),
    );
    return !isJsonEqual(old, present);
  };
  const keep = (state: State): State => ({
    ...state,
    subscriptions: state.subscriptions.filter(({ id }) => isChanged(id)),
  });
  return { before: keep(before), after: keep(after) };
}

/** The changes that have a preview, by the id of the route. */
const previewedIds: ReadonlySet<string> = new Set([
  'topUp',
  'refund',
  'adjustBalance',
  'changeDiscount',
  'blockCustomer',
  'unblockCustomer',
  'changeSubscriptionOfCustomer',
  'changePlanOfCustomer',
  'grantOfCustomer',
  'revokeOfCustomer',
]);

export const createPreviewRoutes = (routes: readonly Route[]): Route[] =>
  routes.filter(({ id }) => previewedIds.has(id)).map(createPreviewRoute);

/** The preview of a route under a customer. Its body is the body of the change. */
function createPreviewRoute(base: Route): Route {
  const { keyed: _, status: __, ...common } = base;
  return {
    ...common,
    method: 'POST',
    path: `${base.path}/preview`,
    id: `${base.id}Preview`,
    summary: `Preview, and change nothing: ${base.summary}`,
    answer: z.object({
      before: customerState,
      after: customerState,
      answer: base.answer.describe('the answer that the change would give'),
    }),
    refusals: [...new Set([...(base.refusals ?? []), 'no_customer', 'clock_suspect'])],
    async handle(context, request) {
      const params = request.params as { readonly telegram_id: string; readonly id?: string };
      const telegramId = BigInt(params.telegram_id);
      const only = params.id === undefined ? undefined : parseSubscriptionIdParam(params.id);
      return runAndRollBack(context.db, async (tx) => {
        await lockCustomer(tx, telegramId);
        const before = toState(await readCurrentView(tx, telegramId, only));
        const { key: ___, ...caller } = request.caller;
        const answer = await base.handle(
          { ...context, db: tx, reads: tx, lists: tx },
          { ...request, caller: { ...caller, db: tx } },
        );
        const after = toState(await readCurrentView(tx, telegramId, only));
        return { ...keepChanged(before, after), answer };
      });
    },
  };
}
