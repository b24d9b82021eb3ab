import { noticeTones } from '../../parts/notice-tones.ts';
import { Badge, Money, Time, useFormats } from '../../parts/values.tsx';
import { useHasText, useText } from '../../shell/language.tsx';
import {
  type HistoryEvent,
  type LedgerEntry,
  type Moment,
  type Notice,
  toEffect,
} from './moments.ts';

// A moment of the past: the event, the money and the notifications of one transaction.

interface PastMomentProps {
  readonly moment: Moment;
  readonly currency: string;
  readonly isGone: boolean;
}

export function PastMoment({ moment, currency, isGone }: PastMomentProps) {
  const t = useText();
  const { at, events, entries, notices } = moment;
  const actors = [...new Set(events.map(({ actor }) => actor))];
  return (
    <li class={`moment is-${toEffect(moment)}${isGone ? ' is-gone' : ''}`}>
      <p class="at">
        <Time at={at} />
      </p>
      <div>
        {events.map((event) => (
          <EventText key={event.id} event={event} />
        ))}
        {entries.map((entry) => (
          <EntryText key={entry.id} entry={entry} currency={currency} />
        ))}
        {notices.map((notice) => (
          <NoticeText key={notice.id} notice={notice} />
        ))}
        {actors.length > 0 && (
          <p>
            <small>{t('customer-actor', { actor: actors.join(', ') })}</small>
          </p>
        )}
      </div>
    </li>
  );
}

/** Ids and minor units. The ledger entry beside the event states the amount. */
const isInternal = (name: string): boolean =>
  /_minor$|^ledger_entry_id$|^period_id$|^before$|^telegram_id$/.test(name);

function EventText({ event }: { readonly event: HistoryEvent }) {
  const t = useText();
  const hasText = useHasText();
  const describe = useDetailText();
  const { action, subject, detail } = event;
  const [kind, id = ''] = subject.split(':');
  const details = Object.entries(detail)
    .filter(([name, value]) => !isInternal(name) && value !== null)
    .toSorted(([one], [other]) => rankDetail(one) - rankDetail(other));
  return (
    <p>
      <strong>
        {hasText(`customer-event-${action}`)
          ? t(`customer-event-${action}`)
          : action.replaceAll('_', ' ')}
      </strong>{' '}
      {kind === 'subscription' && t('customer-subscription', { id })}{' '}
      <small>{details.map(([name, value]) => describe(name, value)).join(' · ')}</small>
    </p>
  );
}

/** The database does not keep the order of the details. */
const detailOrder = ['action', 'plan', 'from', 'to', 'period_days', 'days', 'starts_at', 'ends_at'];

function rankDetail(name: string): number {
  const rank = detailOrder.indexOf(name);
  return rank < 0 ? detailOrder.length : rank;
}

function useDetailText(): (name: string, value: unknown) => string {
  const t = useText();
  const hasText = useHasText();
  const { time } = useFormats();
  const format = (value: unknown): string => {
    if (typeof value === 'boolean') return t(value ? 'yes' : 'no');
    if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return time(value);
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  return (name, value) => {
    const id = `customer-detail-${name}`;
    return `${hasText(id) ? t(id) : name}: ${format(value)}`;
  };
}

function EntryText({
  entry,
  currency,
}: {
  readonly entry: LedgerEntry;
  readonly currency: string;
}) {
  const t = useText();
  const { kind, amount, balance_after: balance, claim, provider, provider_ref: ref } = entry;
  return (
    <p>
      {t(`customer-ledger-${kind}`)} <Money amount={amount} currency={currency} />
      {' → '}
      {t('customer-balance-after')} <Money amount={balance} currency={currency} />
      {claim !== null && (
        <>
          , {t('customer-claim-change')} <Money amount={claim} currency={currency} />
        </>
      )}
      {provider !== null && (
        <small>
          {' '}
          {provider} {ref}
        </small>
      )}
    </p>
  );
}

function NoticeText({ notice }: { readonly notice: Notice }) {
  const t = useText();
  const hasText = useHasText();
  const { kind, state, reason, sent_at: sentAt } = notice;
  const id = `messages-kind-${kind}`;
  return (
    <p>
      {t('customer-message', { kind: hasText(id) ? t(id) : kind })}{' '}
      <Badge tone={noticeTones[state]} text={t(`messages-state-${state}`)} />
      {sentAt !== null && (
        <small>
          {' '}
          <Time at={sentAt} />
        </small>
      )}
      {reason !== null && <small> {reason}</small>}
    </p>
  );
}
