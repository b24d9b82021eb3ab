import { useState } from 'preact/hooks';
import { Link } from 'wouter';
import { useRead } from '../../api/client.ts';
import type { ListState } from '../../parts/list-state.ts';
import { readFilter } from '../../parts/subscription-filters.tsx';
import { useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { AutoRenewDialog, GrantDialog } from './bulk-dialogs.tsx';
import { NoticeDialog } from './notice-dialog.tsx';

const dialogs = { grant: GrantDialog, auto_renew: AutoRenewDialog, announcement: NoticeDialog };
type BulkAction = keyof typeof dialogs;
const actions = Object.keys(dialogs) as readonly BulkAction[];

/** The changes of all customers that match the filter, and the link to the jobs. */
export function BulkActions({ list }: { readonly list: ListState }) {
  const t = useText();
  const can = useCan();
  const [opened, setOpened] = useState<BulkAction>();
  const jobs = useRead('/v1/bulk-jobs', { query: { limit: 20 } });
  const running = jobs.data?.items.filter(({ state }) => state === 'running').length ?? 0;
  const filter = readFilter(list);
  const hasFilter = Object.keys(filter).length > 0;
  const Dialog = opened === undefined ? undefined : dialogs[opened];
  return (
    <section class="bulk-actions" aria-label={t('subscriptions-bulk')}>
      {can('admin') && (
        <>
          <span id="bulk-note">
            {t(hasFilter ? 'subscriptions-bulk-all' : 'subscriptions-bulk-no-filter')}
          </span>
          {actions.map((action) => (
            <button
              key={action}
              type="button"
              disabled={!hasFilter}
              aria-describedby="bulk-note"
              onClick={() => setOpened(action)}
            >
              {t(`subscriptions-open-${action}`)}
            </button>
          ))}
        </>
      )}
      <Link href="/subscriptions/jobs">
        {running > 0
          ? t('subscriptions-jobs-running', { count: running })
          : t('subscriptions-jobs')}
      </Link>
      {Dialog && <Dialog filter={filter} onClose={() => setOpened(undefined)} />}
    </section>
  );
}
