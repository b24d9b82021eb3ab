import './page.css';
import { useMemo, useRef } from 'preact/hooks';
import { useRead } from '../../api/client.ts';
import { SelectField } from '../../parts/fields.tsx';
import { Figure } from '../../parts/figure.tsx';
import { type ListState, useListState } from '../../parts/list-state.ts';
import { Loaded } from '../../parts/states.tsx';
import { useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { Bars } from './bars.tsx';
import { DayList } from './day-list.tsx';
import { DayTable } from './day-table.tsx';
import { type Forecast, listDays } from './days.ts';
import { Effect, WhatIf } from './what-if.tsx';

const dayChoices = ['7', '14', '30', '60', '90'];
const defaultDays = '30';

/** The renewals, short balances and ends of the next days, also with other prices. */
export default function Page() {
  const t = useText();
  const list = useListState(['days', 'day', 'outcome', 'prices']);
  const days = list.get('days') || defaultDays;
  const prices = list.get('prices');
  const query = { days, by: 'day' };
  const present = useRead('/v1/forecast', { query }, { isOnce: true, keepsPrevious: true });
  const hasPrices = prices !== '';
  // The service computes one forecast at a time.
  const other = useRead(
    '/v1/forecast',
    { query: { ...query, prices } },
    { isOnce: true, enabled: hasPrices && present.isSuccess && !present.isFetching },
  );
  const shown = hasPrices ? other : present;
  return (
    <>
      <h1>{t('page-forecast')}</h1>
      <p>{t('forecast-about')}</p>
      <div class="filters">
        <SelectField
          label={t('forecast-range')}
          value={days}
          options={dayChoices.map((each) => [each, t('days', { count: Number(each) })])}
          onChange={(chosen) => list.set({ days: chosen === defaultDays ? '' : chosen, day: '' })}
        />
        <button
          type="button"
          disabled={shown.isFetching}
          onClick={() => void present.refetch().then(() => (hasPrices ? other.refetch() : null))}
        >
          {shown.isFetching ? t('working') : t('forecast-again')}
        </button>
      </div>
      <Loaded read={shown}>{(forecast) => <Result forecast={forecast} list={list} />}</Loaded>
      {hasPrices && present.data !== undefined && other.data !== undefined && (
        <Effect before={present.data} after={other.data} />
      )}
      <WhatIf prices={prices} onPrices={(next) => list.set({ prices: next })} />
    </>
  );
}

function Result({ forecast, list }: { readonly forecast: Forecast; readonly list: ListState }) {
  const t = useText();
  const { time } = useFormats();
  const days = useMemo(() => listDays(forecast), [forecast]);
  const selected = list.get('day');
  const index = days.findIndex(({ day }) => day === selected);
  const isChosen = useRef(false);
  const select = (day: string) => {
    isChosen.current = true;
    list.set({ day, outcome: '' });
  };
  return (
    <>
      <p>{t('forecast-from', { time: time(forecast.from) })}</p>
      <Totals forecast={forecast} />
      <Bars days={days} selected={selected} onDay={select} />
      {index >= 0 && (
        <DayList
          list={list}
          day={selected}
          days={Math.min(index + 1, forecast.days)}
          prices={list.get('prices')}
          isChosen={isChosen.current}
        />
      )}
      <details class="by-day">
        <summary>{t('forecast-by-day')}</summary>
        <DayTable days={days} onDay={select} />
      </details>
    </>
  );
}

function Totals({ forecast }: { readonly forecast: Forecast }) {
  const t = useText();
  const { count, money } = useFormats();
  return (
    <div class="figures">
      {forecast.totals.flatMap(({ currency, renewals, amount, short, ending }) => [
        <Figure
          key={`${currency} renewals`}
          label={`${t('forecast-renewals')}, ${currency}`}
          value={count(renewals)}
          note={money(amount, currency)}
          tone="good"
        />,
        <Figure
          key={`${currency} short`}
          label={`${t('forecast-short')}, ${currency}`}
          value={count(short)}
          href={short > 0 ? '/subscriptions?state=active&short=yes' : undefined}
          tone={short > 0 ? 'warning' : 'neutral'}
        />,
        <Figure
          key={`${currency} ending`}
          label={`${t('forecast-ending')}, ${currency}`}
          value={count(ending)}
        />,
      ])}
    </div>
  );
}
