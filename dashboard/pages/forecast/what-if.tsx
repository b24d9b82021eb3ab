import { useState } from 'preact/hooks';
import { useRead } from '../../api/client.ts';
import { DifferenceTable } from '../../parts/action-dialog.tsx';
import { SelectField, TextField } from '../../parts/fields.tsx';
import { usePlans } from '../../parts/plans.ts';
import { Money, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import type { Forecast } from './days.ts';

// Other prices from now on. The address has them as the API reads them, like
// `basic/30/RUB=199.00`, separated by commas.

interface WhatIfProps {
  readonly prices: string;
  onPrices(prices: string): void;
}

export function WhatIf({ prices, onPrices }: WhatIfProps) {
  const t = useText();
  const { money } = useFormats();
  const { titleOf } = usePlans();
  const entries = prices.split(',').filter((entry) => entry !== '');
  const describe = (entry: string): string => {
    const [key = '', amount = ''] = entry.split('=');
    const [plan = '', days = '', currency = ''] = key.split('/');
    return t('forecast-price', {
      plan: titleOf(plan),
      days: Number(days),
      amount: money(amount, currency),
    });
  };
  return (
    <section class="panel" aria-labelledby="what-if">
      <h2 id="what-if">{t('forecast-what-if')}</h2>
      <p>{t('forecast-what-if-about')}</p>
      <PriceForm
        onAdd={(key, amount) => {
          const others = entries.filter((entry) => !entry.startsWith(`${key}=`));
          onPrices([...others, `${key}=${amount}`].join());
        }}
      />
      <ul class="prices">
        {entries.map((entry) => (
          <li key={entry}>
            {describe(entry)}{' '}
            <button
              type="button"
              aria-label={t('forecast-remove-price', { price: describe(entry) })}
              onClick={() => onPrices(entries.filter((other) => other !== entry).join())}
            >
              {t('forecast-remove')}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function PriceForm({ onAdd }: { onAdd(key: string, amount: string): void }) {
  const t = useText();
  const { money } = useFormats();
  const { titleOf } = usePlans();
  const { data } = useRead('/v1/plans', {}, { isSteady: true });
  const options = (data?.items ?? []).flatMap(({ key: plan, prices }) =>
    prices.map(({ period_days: days, currency, amount }) => {
      const text = t('forecast-price', {
        plan: titleOf(plan),
        days,
        amount: money(amount, currency),
      });
      return [`${plan}/${days}/${currency}`, text] as const;
    }),
  );
  const [chosen, setChosen] = useState('');
  const [amount, setAmount] = useState('');
  const key = chosen === '' ? (options[0]?.[0] ?? '') : chosen;
  return (
    <form
      class="filters"
      onSubmit={(event) => {
        event.preventDefault();
        onAdd(key, amount.replace(',', '.'));
        setAmount('');
      }}
    >
      <SelectField
        label={t('forecast-present-price')}
        value={key}
        options={options}
        onChange={setChosen}
      />
      <TextField
        label={t('forecast-new-price')}
        value={amount}
        inputMode="decimal"
        pattern="\d+([.,]\d{1,4})?"
        isRequired
        onChange={setAmount}
      />
      <button type="submit" disabled={key === ''}>
        {t('forecast-add-price')}
      </button>
    </form>
  );
}

/** The totals without and with the other prices. */
export function Effect(props: { readonly before: Forecast; readonly after: Forecast }) {
  const t = useText();
  const { count } = useFormats();
  const { before, after } = props;
  const rows = after.totals.flatMap((total) => {
    const { currency } = total;
    const old = before.totals.find((each) => each.currency === currency);
    const label = (name: string) => `${t(`forecast-${name}`)}, ${currency}`;
    const counts = (['renewals', 'short', 'ending'] as const).map((name) => ({
      label: label(name),
      before: count(old?.[name] ?? 0),
      after: count(total[name]),
    }));
    const amount = {
      label: label('amount'),
      before: <Money amount={old?.amount ?? '0'} currency={currency} />,
      after: <Money amount={total.amount} currency={currency} />,
    };
    return [...counts, amount];
  });
  return (
    <section class="panel">
      <h2>{t('forecast-effect')}</h2>
      <DifferenceTable rows={rows} />
    </section>
  );
}
