import { useState } from 'preact/hooks';
import { type Column, Table } from '../../parts/table.tsx';
import { Badge, Money, Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { RefundDialog } from './actions/refund.tsx';
import type { Customer } from './page.tsx';
import type { Subscription } from './subscriptions.tsx';

// The periods of a subscription, the latest first. A period can be refunded.

export type Period = Subscription['periods'][number];

interface PeriodsProps {
  readonly customer: Customer;
  readonly subscription: Subscription;
}

export function Periods({ customer, subscription }: PeriodsProps) {
  const t = useText();
  const [isOpen, setOpen] = useState(false);
  const { periods } = subscription;
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{t('customer-periods', { count: periods.length })}</summary>
      {isOpen && <PeriodTable customer={customer} subscription={subscription} />}
    </details>
  );
}

function PeriodTable({ customer, subscription }: PeriodsProps) {
  const t = useText();
  const can = useCan();
  const [refunded, setRefunded] = useState<Period>();
  const { currency } = customer;
  const columns: Column<Period>[] = [
    {
      id: 'source',
      title: t('customer-period-source'),
      cell: ({ source, plan }) => `${t(`customer-source-${source}`)}, ${plan}`,
    },
    {
      id: 'starts',
      title: t('customer-period-starts'),
      cell: ({ starts_at }) => <Time at={starts_at} />,
    },
    { id: 'ends', title: t('customer-period-ends'), cell: ({ ends_at }) => <Time at={ends_at} /> },
    {
      id: 'amount',
      title: t('customer-period-amount'),
      isNumber: true,
      cell: ({ amount }) => <Money amount={amount} currency={currency} />,
    },
    {
      id: 'state',
      title: t('customer-period-state'),
      cell: (period) => (
        <>
          {period.refunded_at !== null && (
            <Badge tone="neutral" text={t('customer-period-refunded')} />
          )}
          {period.part_of !== null && <Badge tone="neutral" text={t('customer-period-part')} />}
          {period.refunded_at === null && period.part_of === null && can('admin') && (
            <button
              type="button"
              aria-label={t('customer-refund-one', { id: String(period.id) })}
              onClick={() => setRefunded(period)}
            >
              {t('customer-refund')}
            </button>
          )}
        </>
      ),
    },
  ];
  return (
    <>
      <Table
        caption={t('customer-periods-of', { id: String(subscription.id) })}
        columns={columns}
        rows={subscription.periods.toReversed()}
        keyOf={({ id }) => id}
        empty={t('customer-no-periods')}
      />
      {refunded !== undefined && (
        <RefundDialog
          customer={customer}
          subscription={subscription}
          period={refunded}
          onClose={() => setRefunded(undefined)}
        />
      )}
    </>
  );
}
