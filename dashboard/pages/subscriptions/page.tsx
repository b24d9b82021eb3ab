import './page.css';
import { useRead } from '../../api/client.ts';
import { useListState } from '../../parts/list-state.ts';
import { CsvLink, PagedTable, useListCount } from '../../parts/paged-table.tsx';
import { filterNames, SubscriptionFilters } from '../../parts/subscription-filters.tsx';
import { useText } from '../../shell/language.tsx';
import { BulkActions } from './bulk-actions.tsx';
import { useSubscriptionColumns } from './columns.tsx';

const path = '/v1/subscriptions';

export default function Page() {
  const t = useText();
  const list = useListState([...filterNames, 'sort']);
  const read = useRead(path, { query: list.query }, { keepsPrevious: true });
  const count = useListCount(path, list);
  const hasEnd = list.get('ends_after') !== '' || list.get('ends_before') !== '';
  const columns = useSubscriptionColumns(list.get('short') === 'yes');
  return (
    <>
      <h1>{t('page-subscriptions')}</h1>
      <SubscriptionFilters list={list} />
      <BulkActions list={list} />
      <PagedTable
        list={list}
        read={read}
        count={count}
        caption={t('page-subscriptions')}
        columns={columns}
        keyOf={({ id }) => id}
        empty={t('subscriptions-empty')}
        defaultSort={hasEnd ? 'expires_at' : 'id'}
      >
        <CsvLink path={path} list={list} />
      </PagedTable>
    </>
  );
}
