import { Link } from 'wouter';
import { type ItemOf, useRead } from '../../api/client.ts';
import { SelectField, TextField } from '../../parts/fields.tsx';
import { useListState } from '../../parts/list-state.ts';
import { fromLocalTime, toLocalTime } from '../../parts/local-time.ts';
import { PagedTable } from '../../parts/paged-table.tsx';
import type { Column } from '../../parts/table.tsx';
import { Money, Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';

type Entry = ItemOf<'/v1/ledger'>;

/** The filters of the figures, then the kinds of entries. */
const kinds = [
  ...['collected', 'charged', 'opening', 'top_up', 'purchase', 'renewal'],
  ...['refund', 'adjustment', 'payout', 'chargeback', 'claim'],
];

/** The ledger entries of all customers. */
export default function Page() {
  const t = useText();
  const list = useListState(['kind', 'since']);
  const entries = useRead('/v1/ledger', { query: list.query }, { keepsPrevious: true });
  return (
    <>
      <h1>{t('page-ledger')}</h1>
      <div class="filters">
        <SelectField
          label={t('ledger-kind')}
          value={list.get('kind')}
          options={[
            ['', t('any')],
            ...kinds.map((kind) => [kind, t(`ledger-kind-${kind}`)] as const),
          ]}
          onChange={(kind) => list.set({ kind })}
        />
        <TextField
          type="datetime-local"
          label={t('ledger-since')}
          value={toLocalTime(list.get('since'))}
          onChange={(since) => list.set({ since: fromLocalTime(since) })}
        />
      </div>
      <PagedTable
        list={list}
        read={entries}
        caption={t('page-ledger')}
        columns={useColumns()}
        keyOf={({ id }) => id}
        empty={t('ledger-empty')}
      />
    </>
  );
}

function useColumns(): Column<Entry>[] {
  const t = useText();
  return [
    { id: 'at', title: t('ledger-at'), cell: ({ created_at: at }) => <Time at={at} /> },
    {
      id: 'customer',
      title: t('ledger-customer'),
      cell: ({ telegram_id: id }) => <Link href={`/customers/${id}`}>{id}</Link>,
    },
    { id: 'kind', title: t('ledger-kind'), cell: ({ kind }) => t(`ledger-kind-${kind}`) },
    {
      id: 'amount',
      title: t('ledger-amount'),
      isNumber: true,
      cell: ({ amount, currency }) => <Money amount={amount} currency={currency} />,
    },
    {
      id: 'payment',
      title: t('ledger-payment'),
      cell: ({ provider, provider_ref: reference }) =>
        [provider, reference].filter((part) => part !== null).join(' ') || '–',
    },
  ];
}
