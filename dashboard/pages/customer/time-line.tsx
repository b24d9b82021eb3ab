import type { Answer } from '../../api/client.ts';
import { useRead } from '../../api/client.ts';
import type { ListState } from '../../parts/list-state.ts';
import { NewsButton } from '../../parts/news-button.tsx';
import { Pager } from '../../parts/pager.tsx';
import { EmptyState, Loaded } from '../../parts/states.tsx';
import { useSteadyRows } from '../../parts/steady-rows.ts';
import { Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { AheadMoments } from './ahead.tsx';
import { PastMoment } from './moment.tsx';
import { groupMoments } from './moments.ts';
import type { Customer } from './page.tsx';

// One line of time, the latest moment first: what is ahead, now, and what has happened.

type History = Answer<'/v1/customers/{telegram_id}/history'>;

const kinds = ['ledger', 'notice', 'event'] as const;

interface TimeLineProps {
  readonly customer: Customer;
  readonly list: ListState;
}

export function TimeLine({ customer, list }: TimeLineProps) {
  const t = useText();
  const { view: _, ...query } = list.query;
  const read = useRead(
    '/v1/customers/{telegram_id}/history',
    { path: { telegram_id: customer.telegram_id }, query },
    { keepsPrevious: true },
  );
  return (
    <section aria-labelledby="time-line">
      <h2 id="time-line">{t('customer-time')}</h2>
      <KindChoice list={list} />
      <Loaded read={read}>
        {(history) => <Moments customer={customer} list={list} history={history} />}
      </Loaded>
    </section>
  );
}

function KindChoice({ list }: { readonly list: ListState }) {
  const t = useText();
  return (
    <fieldset class="kinds">
      <legend>{t('customer-time-kinds')}</legend>
      {['', ...kinds].map((kind) => (
        <button
          key={kind}
          type="button"
          aria-pressed={list.get('kind') === kind}
          onClick={() => list.set({ kind })}
        >
          {t(`customer-time-${kind === '' ? 'all' : kind}`)}
        </button>
      ))}
    </fieldset>
  );
}

function Moments(props: TimeLineProps & { readonly history: History }) {
  const t = useText();
  const { customer, list, history } = props;
  const latest = groupMoments(history.items);
  const { rows, hasNews, show, watch } = useSteadyRows(latest, ({ at }) => at, list.identity);
  const { currency } = customer;
  return (
    <div {...watch}>
      <NewsButton hasNews={hasNews} show={show} />
      {list.isFirstPage && list.get('kind') === '' && <Future customer={customer} />}
      {rows.length === 0 ? (
        <EmptyState text={t('customer-time-empty')} />
      ) : (
        <ol class="moments" aria-label={t('customer-past')}>
          {rows.map(({ row, isGone }) => (
            <PastMoment key={row.at} moment={row} currency={currency} isGone={isGone} />
          ))}
        </ol>
      )}
      <Pager list={list} next={history.next_cursor} />
    </div>
  );
}

/** A customer with more subscriptions has a future that costs more than a page of rows. */
const liveSubscriptionsMax = 200;

function Future({ customer }: { readonly customer: Customer }) {
  const t = useText();
  const { telegram_id, subscriptions_total } = customer;
  const read = useRead(
    '/v1/customers/{telegram_id}/ahead',
    { path: { telegram_id } },
    { isSteady: subscriptions_total > liveSubscriptionsMax },
  );
  return (
    <Loaded read={read}>
      {({ items, now, currency }) => (
        <>
          <AheadMoments items={items} now={now} currency={currency} />
          <p class="present">
            <span>{t('now')}</span> <Time at={now} />
          </p>
        </>
      )}
    </Loaded>
  );
}
