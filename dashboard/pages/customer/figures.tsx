import { Figure } from '../../parts/figure.tsx';
import { Badge, Money, Time, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import type { Customer } from './page.tsx';

// The balance and the profile of a customer.

/** States of a customer that differ from the usual ones. */
export function CustomerMarks({ customer }: { readonly customer: Customer }) {
  const t = useText();
  const { time } = useFormats();
  const { blocked_at: blockedAt, blocked_reason: reason, reachable, vip } = customer;
  const { discount_percent: percent, claim } = customer;
  return (
    <p class="marks">
      {blockedAt !== null && (
        <>
          <Badge tone="bad" text={t('customer-blocked', { at: time(blockedAt) })} /> {reason}
        </>
      )}
      {!reachable && <Badge tone="warning" text={t('customer-unreachable')} />}
      {Number(claim) > 0 && <Badge tone="bad" text={t('customer-has-claim')} />}
      {vip && <Badge tone="good" text={t('customer-vip')} />}
      {percent > 0 && <Badge tone="good" text={t('customer-discount', { percent })} />}
    </p>
  );
}

export function CustomerFigures({ customer }: { readonly customer: Customer }) {
  const t = useText();
  const { count } = useFormats();
  const {
    telegram_id: id,
    balance,
    claim,
    currency,
    subscriptions,
    subscriptions_total,
  } = customer;
  const active = subscriptions.filter(({ state }) => state === 'active').length;
  const isPart = subscriptions_total > subscriptions.length;
  return (
    <div class="figures customer-figures">
      <Figure
        label={t('customer-balance')}
        value={<Money amount={balance} currency={currency} />}
        href={`/customers/${id}?kind=ledger`}
      />
      {Number(claim) > 0 && (
        <Figure
          label={t('customer-claim')}
          value={<Money amount={claim} currency={currency} />}
          note={t('customer-claim-note')}
          tone="bad"
          href={`/customers/${id}?kind=ledger`}
        />
      )}
      <Figure
        label={t('customer-active')}
        value={isPart ? `≥ ${count(active)}` : count(active)}
        note={t('customer-of', { count: subscriptions_total })}
        href={`/customers/${id}?view=subscriptions`}
      />
      <dl class="profile">
        <dt>{t('customer-profile')}</dt>
        <dd>
          {customer.locale}, {customer.time_zone}
        </dd>
        <dt>{t('customer-since')}</dt>
        <dd>
          <Time at={customer.created_at} />
        </dd>
        <dt>{t('customer-trial')}</dt>
        <dd>
          {customer.trial_used_at === null ? (
            t('customer-trial-unused')
          ) : (
            <Time at={customer.trial_used_at} />
          )}
        </dd>
      </dl>
    </div>
  );
}
