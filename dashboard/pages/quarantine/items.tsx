import { useState } from 'preact/hooks';
import { type Answer, useRead } from '../../api/client.ts';
import { Figure } from '../../parts/figure.tsx';
import { type ListState, useListState } from '../../parts/list-state.ts';
import { PagedTable } from '../../parts/paged-table.tsx';
import { Time } from '../../parts/values.tsx';
import { useHasText, useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { describeQuarantineReason, type QuarantineRow, useItemColumns } from './columns.tsx';
import { DismissDialog, RetryAllDialog, RetryDialog } from './dialogs.tsx';

const names = ['worker', 'reason'] as const;
type Counts = Answer<'/v1/quarantine'>['counts'];

interface Opened {
  readonly name: 'retry' | 'dismiss';
  readonly item: QuarantineRow;
}

/** The items in quarantine: their number by reason, the items, and the decisions of a person. */
export function Items() {
  const t = useText();
  const list = useListState(names);
  // The numbers of all reasons stay while the list shows one of them.
  const all = useRead('/v1/quarantine', { query: { limit: 1 } });
  const read = useRead('/v1/quarantine', { query: list.query }, { keepsPrevious: true });
  const [opened, setOpened] = useState<Opened>();
  const columns = useItemColumns((name, item) => setOpened({ name, item }));
  const close = () => setOpened(undefined);
  return (
    <>
      <h2>{t('quarantine-items')}</h2>
      <p>{t('quarantine-about')}</p>
      <Reasons counts={all.data?.counts ?? []} />
      <ShownReason list={list} counts={read.data?.counts ?? []} />
      <PagedTable
        list={list}
        read={read}
        caption={t('quarantine-items')}
        columns={columns}
        keyOf={({ worker, item }) => `${worker}/${item}`}
        empty={t('quarantine-empty')}
      />
      {opened?.name === 'retry' && <RetryDialog item={opened.item} onClose={close} />}
      {opened?.name === 'dismiss' && <DismissDialog item={opened.item} onClose={close} />}
    </>
  );
}

function Reasons({ counts }: { readonly counts: Counts }) {
  const t = useText();
  const hasText = useHasText();
  return (
    <div class="figures">
      {counts.map(({ worker, reason, items, first_seen_at: first }) => (
        <Figure
          key={`${worker}/${reason}`}
          label={describeQuarantineReason(t, hasText, reason)}
          value={items}
          note={
            <>
              {worker}, {t('quarantine-since')} <Time at={first} />
            </>
          }
          href={`/quarantine?${new URLSearchParams({ worker, reason })}`}
          tone="warning"
        />
      ))}
    </div>
  );
}

/** The reason of the shown items, and the retry of all of them. */
function ShownReason({ list, counts }: { readonly list: ListState; readonly counts: Counts }) {
  const t = useText();
  const can = useCan();
  const hasText = useHasText();
  const [isRetrying, setRetrying] = useState(false);
  const [worker, reason] = [list.get('worker'), list.get('reason')];
  if (worker === '' && reason === '') return null;
  const count = counts.reduce((sum, { items }) => sum + items, 0);
  return (
    <p class="shown-reason">
      <strong>
        {[worker, reason === '' ? '' : describeQuarantineReason(t, hasText, reason)]
          .filter((each) => each !== '')
          .join(': ')}
      </strong>
      <button type="button" onClick={() => list.set({ worker: '', reason: '' })}>
        {t('quarantine-show-all')}
      </button>
      {can('admin') && (
        <button type="button" disabled={count === 0} onClick={() => setRetrying(true)}>
          {t('quarantine-retry-all', { count })}
        </button>
      )}
      {isRetrying && (
        <RetryAllDialog
          worker={worker}
          reason={reason}
          count={count}
          onClose={() => setRetrying(false)}
        />
      )}
    </p>
  );
}
