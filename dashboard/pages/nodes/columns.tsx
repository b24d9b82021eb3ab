import { Link } from 'wouter';
import type { Column } from '../../parts/table.tsx';
import { Badge, Time, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { computeProgress, type Node, readNodeState } from './status.ts';

export function useNodeColumns(): Column<Node>[] {
  const t = useText();
  return [
    { id: 'node', title: t('nodes-node'), cell: ({ id }) => <strong>{id}</strong> },
    { id: 'status', title: t('nodes-status'), cell: (node) => <Status node={node} /> },
    { id: 'users', title: t('nodes-users'), cell: (node) => <Users node={node} /> },
    { id: 'pending', title: t('nodes-pending'), cell: (node) => <Pending node={node} /> },
    {
      id: 'seen',
      title: t('nodes-seen'),
      cell: ({ last_seen_at: at }) => <Time at={at} />,
    },
    {
      id: 'compared',
      title: t('nodes-compared'),
      cell: ({ reconciled_at: at }) => <Time at={at} />,
    },
    { id: 'error', title: t('nodes-error'), cell: (node) => <Errors node={node} /> },
  ];
}

function Status({ node }: { readonly node: Node }) {
  const t = useText();
  const { name, tone } = readNodeState(node);
  return (
    <>
      <Badge tone={tone} text={t(`nodes-state-${name}`)} />
      {node.down_since !== null && (
        <small class="block">
          {t('nodes-since')} <Time at={node.down_since} />
        </small>
      )}
    </>
  );
}

/** The users that the node has, of all users that may connect. */
function Users({ node }: { readonly node: Node }) {
  const t = useText();
  const { count } = useFormats();
  const { done, of } = computeProgress(node);
  const label = t('nodes-progress', { done: count(done), of: count(of) });
  return (
    <>
      {done < of ? (
        <>
          {label}
          <progress max={of} value={done} aria-label={`${node.id}: ${label}`} />
        </>
      ) : (
        count(of)
      )}
      <small class="block">
        {t('nodes-groups')}{' '}
        {node.groups.map((group) => (
          <Link key={group} href={`/subscriptions?state=active&node_group=${group}`}>
            {group}{' '}
          </Link>
        ))}
      </small>
    </>
  );
}

function Pending({ node }: { readonly node: Node }) {
  const t = useText();
  const { count } = useFormats();
  const {
    additions_waiting: toAdd,
    removals_waiting: toRemove,
    confirmed_waiting: confirmed,
    oldest_unconfirmed_removal: oldest,
  } = node;
  if (toAdd + toRemove + confirmed === 0) return <>0</>;
  return (
    <>
      {t('nodes-waiting', { add: count(toAdd), remove: count(toRemove + confirmed) })}
      {oldest !== null && (
        <small class="block">
          {t('nodes-oldest')} <Time at={oldest} />
        </small>
      )}
    </>
  );
}

function Errors({ node }: { readonly node: Node }) {
  const t = useText();
  const { failures, open_until: openUntil } = node;
  // A probe and a comparison may have the same error.
  const errors = new Set(
    [node.last_error, node.link_error, node.reconcile_error].filter((error) => error !== null),
  );
  if (errors.size === 0) return <>–</>;
  return (
    <>
      {[...errors].map((error) => (
        <p key={error} class="node-error">
          {error}
        </p>
      ))}
      {openUntil !== null && (
        <small>
          {t('nodes-failures', { count: failures })} <Time at={openUntil} />
        </small>
      )}
    </>
  );
}
