import { type Answer, useRead } from '../../api/client.ts';
import { usePlans } from '../../parts/plans.ts';
import { EmptyState, Loaded } from '../../parts/states.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Badge, Time, type Tone } from '../../parts/values.tsx';
import { useHasText, useText } from '../../shell/language.tsx';
import type { Customer } from './page.tsx';
import { useReasonText } from './reasons.ts';

// Why the customer is connected and notified, or not: the access on each node, and notifications
// that wait.

type Explanation = Answer<'/v1/customers/{telegram_id}/why'>;
type Explained = Explanation['subscriptions'][number];
type NodeUser = Explained['access']['nodes'][number];
type Waiting = Explanation['notices']['waiting'][number];

export function Why({ customer }: { readonly customer: Customer }) {
  const t = useText();
  const { telegram_id } = customer;
  const read = useRead('/v1/customers/{telegram_id}/why', { path: { telegram_id } });
  return (
    <Loaded read={read}>
      {({ subscriptions, subscriptions_total: total, notices }) => (
        <>
          <section aria-labelledby="access">
            <h2 id="access">{t('customer-access')}</h2>
            {subscriptions.length === 0 && <EmptyState text={t('customer-no-subscriptions')} />}
            {subscriptions.map((subscription) => (
              <Access key={subscription.id} subscription={subscription} />
            ))}
            {total > subscriptions.length && (
              <p>{t('customer-access-part', { count: subscriptions.length, total })}</p>
            )}
          </section>
          <Notices notices={notices} />
        </>
      )}
    </Loaded>
  );
}

function toTone({ entitled, confirmed, down_since: downSince, marked }: NodeUser): Tone {
  if (!entitled) return marked ? 'warning' : 'neutral';
  if (downSince !== null) return 'bad';
  return confirmed ? 'good' : 'warning';
}

function Access({ subscription }: { readonly subscription: Explained }) {
  const t = useText();
  const describe = useReasonText();
  const { titleOf } = usePlans();
  const { id, plan, state, access } = subscription;
  const columns: Column<NodeUser>[] = [
    { id: 'node', title: t('customer-node'), cell: ({ node }) => node },
    {
      id: 'state',
      title: t('customer-node-state'),
      cell: (user) => (
        <Badge tone={toTone(user)} text={t(`customer-node-is-${user.reason.code}`)} />
      ),
    },
    {
      id: 'reason',
      title: t('customer-reason'),
      cell: ({ reason }) => describe('node', reason),
    },
  ];
  return (
    <article class="panel" aria-label={t('customer-subscription', { id: String(id) })}>
      <h3>
        {titleOf(plan)} <small>{t('customer-subscription', { id: String(id) })}</small>
      </h3>
      <p>{describe('access', access.reason)}</p>
      {access.nodes.length > 0 && (
        <details open={state === 'active'}>
          <summary>{t('customer-nodes', { count: access.nodes.length })}</summary>
          <Table
            caption={t('customer-nodes-of', { id: String(id) })}
            columns={columns}
            rows={access.nodes}
            keyOf={({ node }) => node}
            empty=""
          />
        </details>
      )}
    </article>
  );
}

function Notices({ notices }: { readonly notices: Explanation['notices'] }) {
  const t = useText();
  const describe = useReasonText();
  const toKindText = useKindText();
  const { waiting, last_sent: last } = notices;
  const columns: Column<Waiting>[] = [
    { id: 'kind', title: t('customer-notice-kind'), cell: ({ kind }) => toKindText(kind) },
    {
      id: 'state',
      title: t('customer-notice-state'),
      cell: ({ state }) => <Badge tone="neutral" text={t(`messages-state-${state}`)} />,
    },
    {
      id: 'created',
      title: t('customer-notice-created'),
      cell: ({ created_at }) => <Time at={created_at} />,
    },
    {
      id: 'reason',
      title: t('customer-reason'),
      cell: ({ reason }) => describe('notice', reason),
    },
  ];
  return (
    <section aria-labelledby="notices">
      <h2 id="notices">{t('customer-notices')}</h2>
      <p>
        {last === null ? (
          t('customer-notice-none-sent')
        ) : (
          <>
            {t('customer-notice-last', { kind: toKindText(last.kind), channel: last.channel })}{' '}
            <Time at={last.sent_at} />
          </>
        )}
      </p>
      <Table
        caption={t('customer-notices-waiting')}
        columns={columns}
        rows={waiting}
        keyOf={({ id }) => id}
        empty={t('customer-notices-empty')}
      />
    </section>
  );
}

function useKindText(): (kind: string) => string {
  const t = useText();
  const hasText = useHasText();
  return (kind) => (hasText(`messages-kind-${kind}`) ? t(`messages-kind-${kind}`) : kind);
}
