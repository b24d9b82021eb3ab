import './page.css';
import { useRead } from '../../api/client.ts';
import { useListState } from '../../parts/list-state.ts';
import { CsvLink, PagedTable, useListCount } from '../../parts/paged-table.tsx';
import { filterNames, SubscriptionFilters } from '../../parts/subscription-filters.tsx';
import { useText } from '../../shell/language.tsx';
import { useCustomerColumns } from './columns.tsx';
import { LookupResult } from './lookup-result.tsx';

export default function Page() {
  const t = useText();
  const list = useListState([...filterNames, 'sort']);
  const lookup = list.get('lookup');
  return (
    <>
      <h1>{t('page-customers')}</h1>
      {lookup === '' ? <CustomerList /> : <LookupResult value={lookup} />}
    </>
  );
}

const path = '/v1/customers';

function CustomerList() {
  const t = useText();
  const list = useListState([...filterNames, 'sort']);
  const read = useRead(path, { query: list.query }, { keepsPrevious: true });
  const count = useListCount(path, list);
  const columns = useCustomerColumns();
  return (
    <>
      <SubscriptionFilters list={list} />
      <PagedTable
        list={list}
        read={read}
        count={count}
        caption={t('page-customers')}
        columns={columns}
        keyOf={({ id }) => id}
        empty={t('customers-empty')}
        defaultSort="id"
      >
        <CsvLink path={path} list={list} />
      </PagedTable>
    </>
  );
}
