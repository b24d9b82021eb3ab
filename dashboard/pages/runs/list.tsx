import { Link } from 'wouter';
import { useRead } from '../../api/client.ts';
import { SelectField } from '../../parts/fields.tsx';
import { useListState } from '../../parts/list-state.ts';
import { PagedTable } from '../../parts/paged-table.tsx';
import type { Column } from '../../parts/table.tsx';
import { Time, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { OutcomeBadge, type Run, runOutcomes } from './outcome.tsx';

/** A row is a card of nine lines on a narrow screen. */
const rowsMax = 25;

export function RunList() {
  const t = useText();
  const list = useListState(['worker', 'outcome']);
  const workers = useRead('/v1/workers');
  const runs = useRead(
    '/v1/runs',
    { query: { ...list.query, limit: rowsMax } },
    { keepsPrevious: true },
  );
  const names = (workers.data?.items ?? []).map(({ name }) => name);
  return (
    <>
      <div class="filters">
        <SelectField
          label={t('runs-worker')}
          value={list.get('worker')}
          options={[['', t('any')], ...names.map((name) => [name, name] as const)]}
          onChange={(worker) => list.set({ worker })}
        />
        <SelectField
          label={t('runs-outcome')}
          value={list.get('outcome')}
          options={[
            ['', t('any')],
            ...runOutcomes.map((each) => [each, t(`runs-outcome-${each}`)] as const),
          ]}
          onChange={(outcome) => list.set({ outcome })}
        />
      </div>
      <PagedTable
        list={list}
        read={runs}
        caption={t('page-runs')}
        columns={useColumns()}
        keyOf={({ id }) => id}
        empty={t('runs-empty')}
      />
    </>
  );
}

function useColumns(): Column<Run>[] {
  const t = useText();
  const { count, duration } = useFormats();
  return [
    {
      id: 'started',
      title: t('runs-started'),
      cell: ({ id, started_at: at }) => (
        <Link href={`/runs?run=${id}`}>
          <Time at={at} />
        </Link>
      ),
    },
    { id: 'worker', title: t('runs-worker'), cell: ({ worker }) => worker },
    {
      id: 'outcome',
      title: t('runs-outcome'),
      cell: ({ outcome }) => <OutcomeBadge outcome={outcome} />,
    },
    {
      id: 'took',
      title: t('runs-took'),
      isNumber: true,
      cell: ({ started_at: from, finished_at: until }) =>
        until === null ? '–' : duration(Date.parse(until) - Date.parse(from)),
    },
    ...(['examined', 'changed', 'failed', 'held'] as const).map((id) => ({
      id,
      title: t(`runs-${id}`),
      isNumber: true,
      cell: (run: Run) => count(run[id]),
    })),
  ];
}
