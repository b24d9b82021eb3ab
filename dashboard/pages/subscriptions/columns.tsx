import { Link } from 'wouter';
import type { ItemOf } from '../../api/client.ts';
import { usePlans } from '../../parts/plans.ts';
import type { Column } from '../../parts/table.tsx';
import { Badge, Money, Time, type Tone } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';

type SubscriptionRow = ItemOf<'/v1/subscriptions'>;

const tones: Readonly<Record<SubscriptionRow['state'], Tone>> = {
  active: 'good',
  expired: 'neutral',
  revoked: 'bad',
};

/** @param isShort the list has only subscriptions whose next renewal the balance does not cover */
export function useSubscriptionColumns(isShort: boolean): readonly Column<SubscriptionRow>[] {
  const t = useText();
  const plans = usePlans();
  const missing: Column<SubscriptionRow> = {
    id: 'missing',
    title: t('subscriptions-missing'),
    isNumber: true,
    cell: ({ missing: amount, currency }) =>
      amount === null ? '–' : <Money amount={amount} currency={currency} />,
  };
  return [
    {
      id: 'id',
      title: t('subscriptions-id'),
      sort: 'id',
      cell: ({ id }) => id,
    },
    {
      id: 'customer',
      title: t('subscriptions-customer'),
      cell: ({ telegram_id: id }) => <Link href={`/customers/${id}`}>{id}</Link>,
    },
    {
      id: 'plan',
      title: t('subscriptions-plan'),
      cell: ({ plan, period_days: days, kind }) => (
        <span>
          {plans.titleOf(plan)}, {t('days', { count: days })}{' '}
          {kind === 'trial' && <Badge tone="neutral" text={t('kind-trial')} />}
        </span>
      ),
    },
    {
      id: 'state',
      title: t('subscriptions-state'),
      cell: ({ state }) => <Badge tone={tones[state]} text={t(`state-${state}`)} />,
    },
    {
      id: 'end',
      title: t('subscriptions-end'),
      sort: 'expires_at',
      cell: ({ expires_at: at }) => <Time at={at} />,
    },
    {
      id: 'auto-renew',
      title: t('subscriptions-auto-renew'),
      cell: ({ auto_renew: isOn }) => t(isOn ? 'subscriptions-on' : 'subscriptions-off'),
    },
    {
      id: 'balance',
      title: t('subscriptions-balance'),
      isNumber: true,
      cell: ({ balance, currency }) => <Money amount={balance} currency={currency} />,
    },
    ...(isShort ? [missing] : []),
  ];
}
