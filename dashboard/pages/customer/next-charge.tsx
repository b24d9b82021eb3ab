import { useState } from 'preact/hooks';
import { Money, Time, type Tone } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { TopUpDialog } from './actions/top-up.tsx';
import type { Customer } from './page.tsx';
import { useReasonText } from './reasons.ts';

// The next charge of a customer, and its reason: the first question of an operator.

export type Charge = Customer['next_charge'];

/** Codes without a charge that need no action. */
const quiet: ReadonlySet<string> = new Set([
  'no_subscription',
  'trial',
  'auto_renew_off',
  'revoked',
  'revival_over',
]);
const good: ReadonlySet<string> = new Set(['covered', 'due', 'too_early', 'revival_due']);

/** True if nothing has to be done for the charge. */
export const isCovered = (code: string): boolean => good.has(code);
/** True if the subscription ends without a charge, as it should. */
export const isQuiet = (code: string): boolean => quiet.has(code);

export function toChargeTone({ reason: { code } }: Charge): Tone {
  if (isCovered(code)) return 'good';
  if (isQuiet(code)) return 'neutral';
  return code === 'short' || code === 'waits_for_payment' ? 'warning' : 'bad';
}

export function NextCharge({ customer }: { readonly customer: Customer }) {
  const t = useText();
  const can = useCan();
  const describe = useReasonText();
  const [isOpen, setOpen] = useState(false);
  const { next_charge: charge } = customer;
  const { at, amount, missing, currency, reason } = charge;
  const isShort = Number(missing) > 0;
  return (
    <section class={`panel next-charge ${toChargeTone(charge)}`} aria-labelledby="next-charge">
      <h2 id="next-charge">{t('customer-next-charge')}</h2>
      <p class="amount">
        {amount === null ? t('customer-no-charge') : <Money amount={amount} currency={currency} />}
        {at !== null && (
          <span class="when">
            <Time at={at} />
          </span>
        )}
      </p>
      <p>{describe('charge', reason)}</p>
      {charge.subscription_id !== null && (
        <p>
          <small>{t('customer-subscription', { id: String(charge.subscription_id) })}</small>
        </p>
      )}
      {isShort && can('sell') && (
        <button type="button" class="primary" onClick={() => setOpen(true)}>
          {t('customer-top-up-missing')} <Money amount={missing} currency={currency} />
        </button>
      )}
      {isOpen && (
        <TopUpDialog customer={customer} amount={missing} onClose={() => setOpen(false)} />
      )}
    </section>
  );
}
