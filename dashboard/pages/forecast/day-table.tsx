import { Table } from '../../parts/table.tsx';
import { Money, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import type { ForecastDay } from './days.ts';

interface DayTableProps {
  readonly days: readonly ForecastDay[];
  onDay(day: string): void;
}

/** The figures of the bars. The name of a day opens the list behind it. */
export function DayTable({ days, onDay }: DayTableProps) {
  const t = useText();
  const { dayOf, count } = useFormats();
  const countColumn = (id: 'renewals' | 'short' | 'ending') => ({
    id,
    title: t(`forecast-${id}`),
    isNumber: true,
    cell: (row: ForecastDay) => count(row[id]),
  });
  return (
    <Table
      caption={t('forecast-by-day')}
      rows={days}
      keyOf={({ day }) => day}
      empty={t('forecast-empty')}
      identity={`${days[0]?.day} ${days.length}`}
      columns={[
        {
          id: 'day',
          title: t('forecast-day'),
          cell: ({ day }) => (
            <button type="button" class="link" onClick={() => onDay(day)}>
              {dayOf(day)}
            </button>
          ),
        },
        countColumn('renewals'),
        {
          id: 'amount',
          title: t('forecast-amount'),
          isNumber: true,
          cell: ({ amounts }) =>
            amounts.map(({ currency, amount }) => (
              <div key={currency}>
                <Money amount={amount} currency={currency} />
              </div>
            )),
        },
        countColumn('short'),
        countColumn('ending'),
      ]}
    />
  );
}
