import { type ItemOf, useRead } from '../../api/client.ts';
import type { ListState } from '../../parts/list-state.ts';
import { NewsButton } from '../../parts/news-button.tsx';
import { Pager } from '../../parts/pager.tsx';
import { usePlans } from '../../parts/plans.ts';
import { EmptyState, Loaded } from '../../parts/states.tsx';
import { useSteadyRows } from '../../parts/steady-rows.ts';
import { Badge, Money, Time, type Tone } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { SubscriptionActions } from './actions/subscription-actions.tsx';
import { toChargeTone } from './next-charge.tsx';
import type { Customer } from './page.tsx';
import { Periods } from './periods.tsx';
import { useReasonText } from './reasons.ts';

// The subscriptions of a customer, page by page, because there may be 10,000.

export type Subscription = ItemOf<'/v1/customers/{telegram_id}/subscriptions'>;

const pageMax = 20;

interface SubscriptionsProps {
  readonly customer: Customer;
  readonly list: ListState;
}

export function Subscriptions({ customer, list }: SubscriptionsProps) {
  const t = useText();
  const { cursor } = list.query;
  const read = useRead(
    '/v1/customers/{telegram_id}/subscriptions',
    { path: { telegram_id: customer.telegram_id }, query: { limit: pageMax, cursor } },
    { keepsPrevious: true },
  );
  return (
    <section aria-labelledby="subscriptions">
      <h2 id="subscriptions">{t('customer-subscriptions')}</h2>
      <Loaded read={read}>
        {({ items, next_cursor }) => (
          <>
            <Cards customer={customer} items={items} identity={list.identity} />
            <Pager list={list} next={next_cursor} count={customer.subscriptions_total} />
          </>
        )}
      </Loaded>
    </section>
  );
}

function Cards(props: {
  readonly customer: Customer;
  readonly items: readonly Subscription[];
  readonly identity: string;
}) {
  const t = useText();
  const { customer, items, identity } = props;
  const { rows, hasNews, show, watch } = useSteadyRows(items, ({ id }) => id, identity);
  if (rows.length === 0) return <EmptyState text={t('customer-no-subscriptions')} />;
  return (
    <div {...watch}>
      <NewsButton hasNews={hasNews} show={show} />
      {rows.map(({ row }) => (
        <Card key={row.id} customer={customer} subscription={row} />
      ))}
    </div>
  );
}

const stateTones: Readonly<Record<Subscription['state'], Tone>> = {
  active: 'good',
  expired: 'neutral',
  revoked: 'bad',
};

function Card(props: { readonly customer: Customer; readonly subscription: Subscription }) {
  const t = useText();
  const describe = useReasonText();
  const { titleOf } = usePlans();
  const { customer, subscription } = props;
  const { id, kind, plan, period_days: days, state, next_plan, next_period_days } = subscription;
  const { amount, at, currency, reason } = subscription.next_charge;
  const title = t('customer-subscription', { id: String(id) });
  return (
    <article class="panel card" aria-label={title}>
      <h3>
        {titleOf(plan)} · {t('days', { count: days })} <small>{title}</small>{' '}
        <Badge tone={stateTones[state]} text={t(`state-${state}`)} />{' '}
        {kind === 'trial' && <Badge tone="neutral" text={t('kind-trial')} />}
      </h3>
      <dl>
        <dt>{t(state === 'active' ? 'customer-ends' : 'customer-ended')}</dt>
        <dd>
          <Time at={subscription.expires_at} />
        </dd>
        <dt>{t('customer-auto-renew')}</dt>
        <dd>{t(subscription.auto_renew ? 'yes' : 'no')}</dd>
        {next_plan !== null && next_period_days !== null && (
          <>
            <dt>{t('customer-next-plan')}</dt>
            <dd>
              {titleOf(next_plan)} · {t('days', { count: next_period_days })}
            </dd>
          </>
        )}
        <dt>{t('customer-next-charge')}</dt>
        <dd class={toChargeTone(subscription.next_charge)}>
          {amount !== null && <Money amount={amount} currency={currency} />}{' '}
          {at !== null && <Time at={at} />} <small>{describe('charge', reason)}</small>
        </dd>
      </dl>
      <SubscriptionActions customer={customer} subscription={subscription} />
      <Periods customer={customer} subscription={subscription} />
    </article>
  );
}
