import { useState } from 'preact/hooks';
import { type Answer, type ItemOf, useChange, useRead } from '../../../api/client.ts';
import { CheckField, SelectField } from '../../../parts/fields.tsx';
import { Loaded } from '../../../parts/states.tsx';
import { Money, useFormats } from '../../../parts/values.tsx';
import { useLanguage, useText } from '../../../shell/language.tsx';
import { PreviewDialog } from './preview-dialog.tsx';
import type { SubscriptionDialogProps } from './subscription-actions.tsx';

/** A plan and a length with the price of this customer. */
interface Offer {
  readonly name: string;
  readonly plan: string;
  readonly title: string;
  readonly periodDays: number;
  readonly amount: string;
  readonly currency: string;
}

function toOffers(plans: readonly ItemOf<'/v1/plans'>[], language: string): Offer[] {
  return plans.flatMap(({ key: plan, title, prices }) =>
    prices.map(({ period_days: periodDays, amount, currency }) => ({
      name: `${plan} ${periodDays}`,
      plan,
      title: title[language] ?? title.en ?? plan,
      periodDays,
      amount,
      currency,
    })),
  );
}

/** Changes the plan now, with a credit for unused time, or from the next renewal on. */
export function ChangePlanDialog({ customer, subscription, onClose }: SubscriptionDialogProps) {
  const t = useText();
  const language = useLanguage();
  const { money } = useFormats();
  const { telegram_id } = customer;
  const { id, plan, period_days, expires_at } = subscription;
  const plans = useRead('/v1/plans', { query: { telegram_id } });
  const [name, setName] = useState('');
  const [when, setWhen] = useState('now');
  const [isForfeited, setForfeited] = useState(false);
  const change = useChange('/v1/customers/{telegram_id}/subscriptions/{id}/change-plan');
  const present = `${plan} ${period_days}`;
  const offers = toOffers(plans.data?.items ?? [], language).filter((one) => one.name !== present);
  const offer = offers.find((one) => one.name === name);
  const path = { telegram_id, id };
  // The preview refuses a change that the balance does not pay. The quote states what is missing.
  const quote = useRead(
    '/v1/quote',
    {
      query: {
        telegram_id,
        subscription_id: id,
        plan: offer?.plan,
        period_days: offer?.periodDays,
        change: 'true',
        forfeit: String(isForfeited),
      },
    },
    { enabled: offer !== undefined && when === 'now' },
  );
  const isPayable = when === 'next' || Number(quote.data?.missing ?? 1) === 0;
  const body = offer && {
    plan: offer.plan,
    period_days: offer.periodDays,
    when,
    ...(when === 'now' && isForfeited && { forfeit: true }),
    price: offer.amount,
    if_expires_at: expires_at,
  };
  return (
    <PreviewDialog
      title={t('customer-change-plan-title', { id: String(id) })}
      confirm={t('customer-change-plan')}
      done={t('customer-plan-changed')}
      preview="/v1/customers/{telegram_id}/subscriptions/{id}/change-plan/preview"
      params={path}
      body={isPayable ? body : undefined}
      needsFields={body === undefined}
      act={(key) => change.mutateAsync({ path, body, key })}
      onClose={onClose}
    >
      <SelectField
        label={t('customer-new-plan')}
        value={name}
        onChange={setName}
        options={[
          ['', t('customer-choose')],
          ...offers.map(
            (one) =>
              [
                one.name,
                `${one.title}, ${t('days', { count: one.periodDays })}, ${money(one.amount, one.currency)}`,
              ] as const,
          ),
        ]}
      />
      <SelectField
        label={t('customer-when')}
        value={when}
        onChange={setWhen}
        options={[
          ['now', t('customer-when-now')],
          ['next', t('customer-when-next')],
        ]}
      />
      {when === 'now' && (
        <CheckField label={t('customer-forfeit')} isChecked={isForfeited} onChange={setForfeited} />
      )}
      {when === 'now' && offer !== undefined && (
        <Loaded read={quote}>{(data) => <Quote quote={data} />}</Loaded>
      )}
    </PreviewDialog>
  );
}

function Quote({ quote }: { readonly quote: Answer<'/v1/quote'> }) {
  const t = useText();
  const { price, credited, missing, currency } = quote;
  return (
    <>
      <p>
        {t('customer-price')} <Money amount={price} currency={currency} />, {t('customer-credited')}{' '}
        <Money amount={credited} currency={currency} />
      </p>
      {Number(missing) > 0 && (
        <p class="alert">
          {t('customer-missing-amount')} <Money amount={missing} currency={currency} />
        </p>
      )}
    </>
  );
}
