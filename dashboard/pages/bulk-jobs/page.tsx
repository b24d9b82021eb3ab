import './page.css';
import { Link } from 'wouter';
import { useRead } from '../../api/client.ts';
import { useListState } from '../../parts/list-state.ts';
import { PagedTable } from '../../parts/paged-table.tsx';
import { useText } from '../../shell/language.tsx';
import { useJobColumns } from './columns.tsx';
import { JobPanel } from './job-panel.tsx';

export default function Page() {
  const t = useText();
  const list = useListState([]);
  const read = useRead('/v1/bulk-jobs', { query: list.query }, { keepsPrevious: true });
  const columns = useJobColumns();
  const job = list.get('job');
  return (
    <>
      <h1>{t('page-bulk-jobs')}</h1>
      <p>
        <Link href="/subscriptions">{t('bulk-jobs-back')}</Link>
      </p>
      {/^[1-9]\d{0,14}$/.test(job) && <JobPanel key={job} id={Number(job)} />}
      <h2>{t('bulk-jobs-all')}</h2>
      <PagedTable
        list={list}
        read={read}
        caption={t('page-bulk-jobs')}
        columns={columns}
        keyOf={({ id }) => id}
        empty={t('bulk-jobs-empty')}
      />
    </>
  );
}
