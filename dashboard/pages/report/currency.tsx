import type { Answer } from '../../api/client.ts';
import { Figure } from '../../parts/figure.tsx';
import { Money, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { Bridge, CohortTable, ProviderTable } from './tables.tsx';

export type CurrencyReport = Answer<'/v1/report'>['currencies'][number];

/** All figures of one currency. */
export function CurrencyFigures({ figures }: { readonly figures: CurrencyReport }) {
  const t = useText();
  const { currency } = figures;
  const format = (amount: string) => <Money amount={amount} currency={currency} />;
  const { count } = useFormats();
  return (
    <section aria-labelledby={`currency-${currency}`}>
      <h2 id={`currency-${currency}`}>{currency}</h2>
      <Summary figures={figures} />
      <div class="bridges">
        <Bridge title={t('report-balances')} id="balances" lines={figures.balances} show={format} />
        <Bridge title={t('report-time')} id="time" lines={figures.time} show={format} />
        <Bridge title={t('report-mrr')} id="mrr" lines={figures.mrr} show={format} />
        <Bridge
          title={t('report-customers')}
          id="customers"
          lines={figures.customers}
          show={(value) => <>{count(value)}</>}
        />
      </div>
      <ProviderTable figures={figures} />
      <CohortTable figures={figures} />
    </section>
  );
}

function Summary({ figures }: { readonly figures: CurrencyReport }) {
  const t = useText();
  const { money, count, percent } = useFormats();
  const { currency, owed, churn, trials, renewals, charged, collected } = figures;
  const rateOf = (rate: number | null) => (rate === null ? '–' : percent(rate));
  const show = (amount: string) => money(amount, currency);
  const counted = (name: 'collected' | 'charged' | 'refunded' | 'paid_out') => ({
    label: t(`report-${name}`),
    value: show(figures[name].amount),
    note: t('report-count', { count: figures[name].count }),
  });
  const { subscriptions, mrr } = figures.lost_because_short;
  return (
    <div class="figures">
      <Figure {...counted('collected')} />
      <Figure {...counted('charged')} />
      <Figure
        label={t('report-purchases')}
        value={show(charged.purchases.amount)}
        note={t('report-count', { count: charged.purchases.count })}
      />
      <Figure
        label={t('report-renewals')}
        value={show(charged.renewals.amount)}
        note={t('report-count', { count: charged.renewals.count })}
      />
      <Figure {...counted('refunded')} />
      <Figure {...counted('paid_out')} />
      <Figure
        label={t('report-charged_back')}
        value={show(collected.charged_back.amount)}
        note={t('report-count', { count: collected.charged_back.count })}
      />
      <Figure label={t('report-earned')} value={show(figures.earned)} note={t('report-by-day')} />
      <Figure label={t('report-owed-balances')} value={show(owed.balances)} />
      <Figure
        label={t('report-owed-time')}
        value={show(owed.unused_time)}
        note={t('report-periods', { count: owed.periods })}
      />
      <Figure label={t('report-claims')} value={show(owed.claims)} />
      <Figure
        label={t('report-churn')}
        value={rateOf(churn.customers)}
        note={t('report-churn-money', { rate: rateOf(churn.money) })}
      />
      <Figure
        label={t('report-trials')}
        value={rateOf(trials.rate)}
        note={t('report-part', { part: count(trials.paid), of: count(trials.ended) })}
      />
      <Figure
        label={t('report-continued')}
        value={rateOf(renewals.rate)}
        note={t('report-part', { part: count(renewals.continued), of: count(renewals.ended) })}
      />
      <Figure
        label={t('report-lost')}
        value={count(subscriptions)}
        note={t('report-lost-mrr', { amount: show(mrr) })}
      />
    </div>
  );
}
