import { Link } from 'wouter';
import type { ItemOf } from '../../api/client.ts';
import type { Column } from '../../parts/table.tsx';
import { Badge, Money, Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';

export type CustomerRow = ItemOf<'/v1/customers'>;

export function useCustomerColumns(): readonly Column<CustomerRow>[] {
  const t = useText();
  return [
    {
      id: 'customer',
      title: t('customers-customer'),
      sort: 'telegram_id',
      cell: ({ telegram_id: id }) => <Link href={`/customers/${id}`}>{id}</Link>,
    },
    {
      id: 'balance',
      title: t('customers-balance'),
      isNumber: true,
      cell: ({ balance, claim, currency }) => (
        <>
          <Money amount={balance} currency={currency} />
          {Number(claim) > 0 && (
            <small class="claim">
              {t('customers-claim')} <Money amount={`-${claim}`} currency={currency} />
            </small>
          )}
        </>
      ),
    },
    {
      id: 'active',
      title: t('customers-active'),
      isNumber: true,
      cell: ({ active }) => active,
    },
    {
      id: 'end',
      title: t('customers-end'),
      cell: ({ expires_at: at }) => <Time at={at} />,
    },
    { id: 'marks', title: t('customers-marks'), cell: (row) => <Marks row={row} /> },
    { id: 'language', title: t('customers-language'), cell: ({ locale }) => locale },
    {
      id: 'created',
      title: t('customers-created'),
      sort: 'id',
      cell: ({ created_at: at }) => <Time at={at} />,
    },
  ];
}

/** States of a customer that differ from the usual ones. */
function Marks({ row }: { readonly row: CustomerRow }) {
  const t = useText();
  const { blocked_at: blockedAt, reachable, vip, discount_percent: percent } = row;
  const isUsual = blockedAt === null && reachable && !vip && percent === 0;
  return (
    <span class="marks">
      {isUsual && '–'}
      {blockedAt !== null && <Badge tone="bad" text={t('customers-blocked')} />}
      {!reachable && <Badge tone="warning" text={t('customers-unreachable')} />}
      {vip && <Badge tone="good" text="VIP" />}
      {percent > 0 && <Badge tone="neutral" text={`−${percent}%`} />}
    </span>
  );
}
