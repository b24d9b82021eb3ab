import { Link } from 'wouter';
import { type Answer, useRead } from '../../api/client.ts';
import { Loaded } from '../../parts/states.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Money, Time, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { OutcomeBadge } from './outcome.tsx';

type Details = Answer<'/v1/runs/{id}'>;

/** A run, and what it did. */
export function RunDetails({ id }: { readonly id: string }) {
  const t = useText();
  const run = useRead('/v1/runs/{id}', { path: { id } });
  return (
    <>
      <p>
        <Link href="/runs">{t('runs-back')}</Link>
      </p>
      <Loaded read={run}>{(data) => <Effects run={data} />}</Loaded>
    </>
  );
}

function Effects({ run }: { readonly run: Details }) {
  const t = useText();
  const { count } = useFormats();
  return (
    <>
      <section class="panel" aria-labelledby="run-summary">
        <h2 id="run-summary">{run.worker}</h2>
        <Facts run={run} />
      </section>
      <Counts
        title={t('runs-actions')}
        rows={run.actions.map(({ action, events }) => [action, count(events)])}
      />
      <Counts
        title={t('runs-charges')}
        rows={run.charges.map(({ kind, currency, entries, amount }) => [
          `${kind} (${count(entries)})`,
          <Money key={kind} amount={amount} currency={currency} />,
        ])}
      />
      <Counts
        title={t('runs-notices')}
        rows={run.notices.map(({ kind, notices }) => [kind, count(notices)])}
      />
      <Counts
        title={t('runs-quarantined', { count: run.quarantined_total })}
        rows={run.quarantined.map(({ item, reason }) => [item, reason])}
      />
      <h2>{t('runs-events')}</h2>
      <Table
        caption={t('runs-events')}
        columns={useEventColumns()}
        rows={run.events.map((event, index) => ({ ...event, index }))}
        keyOf={({ index }) => index}
        empty={t('runs-no-events')}
      />
    </>
  );
}

function Facts({ run }: { readonly run: Details }) {
  const t = useText();
  const { count, duration } = useFormats();
  const { started_at: from, finished_at: until } = run;
  const took = until === null ? '–' : duration(Date.parse(until) - Date.parse(from));
  return (
    <dl class="facts">
      <Fact label={t('runs-outcome')} value={<OutcomeBadge outcome={run.outcome} />} />
      <Fact label={t('runs-started')} value={<Time at={from} />} />
      <Fact label={t('runs-took')} value={took} />
      <Fact label={t('runs-replica')} value={run.replica} />
      {(['examined', 'changed', 'failed', 'held'] as const).map((name) => (
        <Fact key={name} label={t(`runs-${name}`)} value={count(run[name])} />
      ))}
      {run.overlapping.length > 0 && (
        <Fact
          label={t('runs-overlapping')}
          value={run.overlapping.map((id) => (
            <Link key={id} href={`/runs?run=${id}`}>
              {id}{' '}
            </Link>
          ))}
        />
      )}
      {Object.entries(run.detail).map(([name, value]) => (
        <Fact
          key={name}
          label={<code>{name}</code>}
          value={typeof value === 'object' ? JSON.stringify(value) : String(value)}
        />
      ))}
    </dl>
  );
}

type Content = preact.ComponentChildren;

function Fact({ label, value }: { readonly label: Content; readonly value: Content }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Counts(props: {
  readonly title: string;
  readonly rows: readonly (readonly [string, Content])[];
}) {
  if (props.rows.length === 0) return null;
  return (
    <section>
      <h2>{props.title}</h2>
      <dl class="facts">
        {props.rows.map(([label, value]) => (
          <Fact key={label} label={label} value={value} />
        ))}
      </dl>
    </section>
  );
}

type ListedEvent = Details['events'][number] & { readonly index: number };

function useEventColumns(): Column<ListedEvent>[] {
  const t = useText();
  return [
    { id: 'at', title: t('runs-at'), cell: ({ at }) => <Time at={at} /> },
    {
      id: 'customer',
      title: t('runs-customer'),
      cell: ({ telegram_id: id }) =>
        id === null ? '–' : <Link href={`/customers/${id}`}>{id}</Link>,
    },
    { id: 'subject', title: t('runs-subject'), cell: ({ subject }) => subject },
    { id: 'action', title: t('runs-action'), cell: ({ action }) => action },
  ];
}
