import './page.css';
import { useState } from 'preact/hooks';
import { type ItemOf, useRead } from '../../api/client.ts';
import { TextField } from '../../parts/fields.tsx';
import { type ListState, useListState } from '../../parts/list-state.ts';
import { PagedTable } from '../../parts/paged-table.tsx';
import { ChoiceFilter } from '../../parts/subscription-filters.tsx';
import { useText } from '../../shell/language.tsx';
import { Channels } from './channels.tsx';
import { type NoticeAction, useNoticeColumns } from './columns.tsx';
import { CancelDialog, ResendDialog } from './dialogs.tsx';
import { noticeKinds, noticeStates } from './kinds.ts';

const names = ['state', 'kind', 'telegram_id'] as const;

export default function Page() {
  const t = useText();
  const list = useListState(names);
  const read = useRead('/v1/notices', { query: list.query }, { keepsPrevious: true });
  const [action, setAction] = useState<{
    readonly name: NoticeAction;
    readonly notice: ItemOf<'/v1/notices'>;
  }>();
  const columns = useNoticeColumns((name, notice) => setAction({ name, notice }));
  const close = () => setAction(undefined);
  return (
    <>
      <h1>{t('page-messages')}</h1>
      <Channels />
      <h2>{t('messages-list')}</h2>
      <NoticeFilters list={list} />
      <PagedTable
        list={list}
        read={read}
        caption={t('messages-list')}
        columns={columns}
        keyOf={({ id }) => id}
        empty={t('messages-empty')}
      />
      {action?.name === 'resend' && <ResendDialog notice={action.notice} onClose={close} />}
      {action?.name === 'cancel' && <CancelDialog notice={action.notice} onClose={close} />}
    </>
  );
}

function NoticeFilters({ list }: { readonly list: ListState }) {
  const t = useText();
  const hasFilter = names.some((name) => list.get(name) !== '');
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      <ChoiceFilter
        list={list}
        name="state"
        options={noticeStates.map((state) => [state, t(`messages-state-${state}`)])}
      />
      <ChoiceFilter
        list={list}
        name="kind"
        options={noticeKinds.map((kind) => [kind, t(`messages-kind-${kind}`)])}
      />
      <TextField
        type="search"
        inputMode="numeric"
        pattern="[0-9]*"
        label={t('messages-customer')}
        value={list.get('telegram_id')}
        onChange={(value) => {
          if (/^\d{0,15}$/.test(value)) list.set({ telegram_id: value });
        }}
      />
      <button
        type="button"
        disabled={!hasFilter}
        onClick={() => list.set(Object.fromEntries(names.map((name) => [name, ''])))}
      >
        {t('clear-filters')}
      </button>
    </form>
  );
}
