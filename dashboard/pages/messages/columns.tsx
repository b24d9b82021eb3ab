import { Link } from 'wouter';
import type { ItemOf } from '../../api/client.ts';
import { noticeTones } from '../../parts/notice-tones.ts';
import type { Column } from '../../parts/table.tsx';
import { Badge, Time } from '../../parts/values.tsx';
import { type Translate, useHasText, useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { NoticeParams } from './params.tsx';

export type NoticeRow = ItemOf<'/v1/notices'>;
export type NoticeAction = 'resend' | 'cancel';

export function NoticeState({ state }: Pick<NoticeRow, 'state'>) {
  const t = useText();
  return <Badge tone={noticeTones[state]} text={t(`messages-state-${state}`)} />;
}

type HasText = (id: string) => boolean;

/** A kind of another version of the service has no text. */
export const describeKind = (t: Translate, hasText: HasText, kind: string): string =>
  hasText(`messages-kind-${kind}`) ? t(`messages-kind-${kind}`) : kind;

/** A known reason in words, else as it is stored: the error of a gateway. */
function describeReason(t: Translate, hasText: HasText, reason: string): string {
  const id = `messages-reason-${reason.replaceAll(/[^a-z_]+/g, '-')}`;
  return hasText(id) ? t(id) : reason;
}

const isCancellable = ({ state }: NoticeRow) => state === 'pending' || state === 'uncertain';

export function useNoticeColumns(
  onAction: (name: NoticeAction, notice: NoticeRow) => void,
): readonly Column<NoticeRow>[] {
  const t = useText();
  const hasText = useHasText();
  const can = useCan();
  const actions: Column<NoticeRow> = {
    id: 'actions',
    title: t('messages-actions'),
    cell: (notice) => (
      <span class="row-actions">
        <button
          type="button"
          disabled={notice.state === 'sending'}
          aria-label={t('messages-resend-one', { id: String(notice.id) })}
          onClick={() => onAction('resend', notice)}
        >
          {t('messages-resend')}
        </button>
        <button
          type="button"
          disabled={!isCancellable(notice)}
          aria-label={t('messages-cancel-one', { id: String(notice.id) })}
          onClick={() => onAction('cancel', notice)}
        >
          {t('messages-cancel')}
        </button>
      </span>
    ),
  };
  return [
    { id: 'id', title: t('messages-id'), cell: ({ id }) => id },
    {
      id: 'created',
      title: t('messages-created'),
      cell: ({ created_at: at }) => <Time at={at} />,
    },
    {
      id: 'kind',
      title: t('filter-kind'),
      cell: (notice) => (
        <NoticeParams title={describeKind(t, hasText, notice.kind)} params={notice.params} />
      ),
    },
    {
      id: 'reader',
      title: t('messages-reader'),
      cell: ({ telegram_id: id }) =>
        id === null ? t('messages-admins') : <Link href={`/customers/${id}`}>{id}</Link>,
    },
    {
      id: 'state',
      title: t('filter-state'),
      cell: ({ state, reason }) => (
        <span class="notice-state">
          <NoticeState state={state} />
          {reason !== null && <small>{describeReason(t, hasText, reason)}</small>}
        </span>
      ),
    },
    {
      id: 'sent',
      title: t('messages-time'),
      cell: ({ state, sent_at: sentAt, next_attempt_at: nextAt }) =>
        state === 'pending' ? (
          <span>
            {t('messages-next')} <Time at={nextAt} />
          </span>
        ) : (
          <Time at={sentAt} />
        ),
    },
    ...(can('admin') ? [actions] : []),
  ];
}
