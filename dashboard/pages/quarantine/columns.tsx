import { Link } from 'wouter';
import type { ItemOf } from '../../api/client.ts';
import type { Column } from '../../parts/table.tsx';
import { Time } from '../../parts/values.tsx';
import { type Translate, useHasText, useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';

export type QuarantineRow = ItemOf<'/v1/quarantine'>;
export type ItemAction = 'retry' | 'dismiss';

/** A reason is a code of Perennial, or of PostgreSQL. Most codes have no text of their own. */
export function describeQuarantineReason(
  t: Translate,
  hasText: (id: string) => boolean,
  reason: string,
): string {
  const id = `quarantine-reason-${reason}`;
  return /^[a-z_]+$/.test(reason) && hasText(id) ? t(id) : reason;
}

export function useItemColumns(
  onAction: (name: ItemAction, item: QuarantineRow) => void,
): readonly Column<QuarantineRow>[] {
  const t = useText();
  const hasText = useHasText();
  const can = useCan();
  const button = (name: ItemAction, row: QuarantineRow) => (
    <button
      type="button"
      aria-label={t(`quarantine-${name}-one`, { item: row.item })}
      onClick={() => onAction(name, row)}
    >
      {t(`quarantine-${name}`)}
    </button>
  );
  const actions: Column<QuarantineRow> = {
    id: 'actions',
    title: t('quarantine-actions'),
    cell: (row) => (
      <span class="row-actions">
        {button('retry', row)}
        {button('dismiss', row)}
      </span>
    ),
  };
  return [
    {
      id: 'item',
      title: t('quarantine-item'),
      cell: ({ worker, item }) => (
        <span class="item">
          {item}
          <small class="worker">{worker}</small>
        </span>
      ),
    },
    {
      id: 'customer',
      title: t('quarantine-customer'),
      cell: ({ telegram_id: id }) =>
        id === null ? '–' : <Link href={`/customers/${id}`}>{id}</Link>,
    },
    {
      id: 'reason',
      title: t('quarantine-reason'),
      cell: ({ reason, sentence }) => (
        <span class="item">
          {describeQuarantineReason(t, hasText, reason)}
          <small>{sentence}</small>
        </span>
      ),
    },
    {
      id: 'attempts',
      title: t('quarantine-attempts'),
      isNumber: true,
      cell: ({ attempts }) => attempts,
    },
    {
      id: 'first',
      title: t('quarantine-first'),
      cell: ({ first_seen_at: at }) => <Time at={at} />,
    },
    {
      id: 'retry-at',
      title: t('quarantine-retry-at'),
      cell: ({ retry_at: at }) => <Time at={at} />,
    },
    ...(can('admin') ? [actions] : []),
  ];
}
