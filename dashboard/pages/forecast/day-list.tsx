import { useEffect, useRef } from 'preact/hooks';
import { Link } from 'wouter';
import { type Answer, useRead } from '../../api/client.ts';
import { SelectField } from '../../parts/fields.tsx';
import type { ListState } from '../../parts/list-state.ts';
import { Loaded } from '../../parts/states.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Badge, Money, Time, type Tone, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';

type Row = NonNullable<Answer<'/v1/forecast'>['rows']>[number];

const outcomeTones: Readonly<Record<Row['outcome'], Tone>> = {
  renewed: 'good',
  short: 'warning',
  ends: 'bad',
};

/** The most rows of the list. */
const rowsMax = 500;

interface DayListProps {
  readonly list: ListState;
  readonly day: string;
  /** The forecast has to reach the end of the day. */
  readonly days: number;
  /** Empty: the prices of the database. */
  readonly prices: string;
  /** The person chose the day on this page, so the list gets the focus. */
  readonly isChosen: boolean;
}

/** The subscriptions behind a day of the forecast. */
export function DayList({ list, day, days, prices, isChosen }: DayListProps) {
  const t = useText();
  const { dayOf, count } = useFormats();
  const outcome = list.get('outcome');
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (isChosen) heading.current?.focus();
  }, [day]);
  const query = {
    ...{ by: 'customer', day, days, limit: rowsMax },
    ...(outcome !== '' && { outcome }),
    ...(prices !== '' && { prices }),
  };
  const read = useRead('/v1/forecast', { query }, { isOnce: true });
  return (
    <section class="panel" aria-labelledby="forecast-day">
      <h2 id="forecast-day" tabIndex={-1} ref={heading}>
        {t('forecast-day-list', { day: dayOf(day) })}
      </h2>
      <div class="filters">
        <SelectField
          label={t('forecast-outcome')}
          value={outcome}
          options={[
            ['', t('any')],
            ...Object.keys(outcomeTones).map((each) => [each, t(`forecast-is-${each}`)] as const),
          ]}
          onChange={(chosen) => list.set({ outcome: chosen })}
        />
        <button type="button" onClick={() => list.set({ day: '', outcome: '' })}>
          {t('forecast-close')}
        </button>
      </div>
      <Loaded read={read}>
        {({ rows = [], rows_total: total = 0 }) => (
          <>
            <p>
              {total > rows.length
                ? t('forecast-first', { shown: count(rows.length), total: count(total) })
                : t('rows', { count: total })}
            </p>
            <Table
              caption={t('forecast-day-rows')}
              columns={useColumns()}
              rows={rows}
              keyOf={(row) => `${row.subscription_id} ${row.starts_at}`}
              empty={t('forecast-empty')}
              identity={`${day} ${outcome} ${prices}`}
            />
          </>
        )}
      </Loaded>
    </section>
  );
}

function useColumns(): Column<Row>[] {
  const t = useText();
  return [
    {
      id: 'customer',
      title: t('forecast-customer'),
      cell: ({ telegram_id: id }) => <Link href={`/customers/${id}`}>{id}</Link>,
    },
    {
      id: 'outcome',
      title: t('forecast-outcome'),
      cell: ({ outcome }) => (
        <Badge tone={outcomeTones[outcome]} text={t(`forecast-is-${outcome}`)} />
      ),
    },
    {
      id: 'starts',
      title: t('forecast-starts'),
      cell: ({ starts_at: at }) => <Time at={at} />,
    },
    {
      id: 'amount',
      title: t('forecast-charge'),
      isNumber: true,
      cell: ({ amount, currency }) =>
        amount === null ? '–' : <Money amount={amount} currency={currency} />,
    },
  ];
}
