import type { Answer } from '../../api/client.ts';
import { Figure } from '../../parts/figure.tsx';
import { useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { toHref } from './links.ts';

type Overview = Answer<'/v1/overview'>;
type Amounts = Overview['collected_today']['amounts'];

/** The figures of the present moment. Each one links to the list behind it. */
export function Figures({ overview }: { readonly overview: Overview }) {
  const t = useText();
  const { count } = useFormats();
  const { due_24h: due, held, nodes } = overview;
  return (
    <div class="figures">
      <MoneyFigure name="collected" figure={overview.collected_today} />
      <MoneyFigure name="charged" figure={overview.charged_today} />
      <Figure
        label={t('overview-due')}
        value={count(due.count)}
        note={<AmountLines amounts={due.amounts} />}
        href={toHref(due.link)}
      />
      <CountFigure name="late" figure={overview.late} alarmTone="bad" />
      <CountFigure name="short" figure={overview.short} alarmTone="warning" />
      <Figure
        label={t('overview-held')}
        value={count(held.count)}
        href={toHref(held.link)}
        tone={held.count > 0 ? 'bad' : 'neutral'}
      />
      <CountFigure name="pending" figure={overview.pending_notices} />
      <Figure
        label={t('overview-nodes')}
        value={t('overview-nodes-up', { up: nodes.up, all: nodes.up + nodes.down })}
        note={nodes.draining > 0 ? t('overview-draining', { count: nodes.draining }) : undefined}
        href={toHref(nodes.link)}
        tone={nodes.down > 0 ? 'bad' : 'neutral'}
      />
      <AuditFigure audit={overview.last_audit} />
      <CountFigure name="active" figure={overview.active_subscriptions} />
      <CountFigure name="customers" figure={overview.customers} />
    </div>
  );
}

function AuditFigure({ audit }: { readonly audit: Overview['last_audit'] }) {
  const t = useText();
  const { time } = useFormats();
  if (audit === null)
    return <Figure label={t('overview-audit')} value={t('overview-no-audit')} href="/audit" />;
  const { ok, violations, at, kind } = audit;
  return (
    <Figure
      label={t(`overview-audit-${kind}`)}
      value={ok ? t('overview-audit-ok') : t('overview-violations', { count: violations })}
      note={time(at)}
      href="/audit"
      tone={ok ? 'good' : 'bad'}
    />
  );
}

function MoneyFigure(props: {
  readonly name: 'collected' | 'charged';
  readonly figure: Overview['collected_today'];
}) {
  const t = useText();
  const { name, figure } = props;
  const entries = figure.amounts.reduce((sum, { count }) => sum + count, 0);
  return (
    <Figure
      label={t(`overview-${name}`)}
      value={<AmountLines amounts={figure.amounts} />}
      note={t('overview-entries', { count: entries })}
      href={toHref(figure.link)}
    />
  );
}

/** One line for each currency. */
function AmountLines({ amounts }: { readonly amounts: Amounts }) {
  const { money } = useFormats();
  if (amounts.length === 0) return <>0</>;
  return (
    <>
      {amounts.map(({ currency, amount }) => (
        <span key={currency} class="amount">
          {money(amount, currency)}
        </span>
      ))}
    </>
  );
}

function CountFigure(props: {
  readonly name: string;
  readonly figure: Overview['late'];
  /** The colour of a number above 0. */
  readonly alarmTone?: 'bad' | 'warning';
}) {
  const t = useText();
  const { count } = useFormats();
  const { name, figure, alarmTone = 'neutral' } = props;
  const text = count(figure.count);
  return (
    <Figure
      label={t(`overview-${name}`)}
      value={figure.count_is_estimated ? t('overview-about', { count: text }) : text}
      href={toHref(figure.link)}
      tone={figure.count > 0 ? alarmTone : 'neutral'}
    />
  );
}
