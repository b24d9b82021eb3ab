import { useEffect } from 'preact/hooks';
import { Link, useLocation } from 'wouter';
import { useRead } from '../../api/client.ts';
import { Loaded } from '../../parts/states.tsx';
import { Table } from '../../parts/table.tsx';
import { useText } from '../../shell/language.tsx';
import { type CustomerRow, useCustomerColumns } from './columns.tsx';

/** The customers that a value names. A single one is opened at once. */
export function LookupResult({ value }: { readonly value: string }) {
  const t = useText();
  const [, navigate] = useLocation();
  const read = useRead('/v1/customers', { query: { lookup: value } });
  const columns = useCustomerColumns();
  const only = read.data?.items.length === 1 ? read.data.items[0] : undefined;
  useEffect(() => {
    if (only !== undefined) navigate(`/customers/${only.telegram_id}`, { replace: true });
  }, [only, navigate]);
  const matchColumn = {
    id: 'matched',
    title: t('customers-matched'),
    cell: ({ matched_by: by }: CustomerRow) => (by === null ? '–' : t(`customers-by-${by}`)),
  };
  return (
    <>
      <p>
        {t('customers-lookup', { value })} <Link href="/customers">{t('customers-all')}</Link>
      </p>
      <Loaded read={read}>
        {({ items }) => (
          <Table
            caption={t('customers-found')}
            columns={[...columns, matchColumn]}
            rows={items}
            keyOf={({ id }) => id}
            empty={t('customers-not-found')}
            identity={value}
          />
        )}
      </Loaded>
    </>
  );
}
