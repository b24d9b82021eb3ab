import { useState } from 'preact/hooks';
import { useChange } from '../../../api/client.ts';
import { CheckField, SelectField } from '../../../parts/fields.tsx';
import { Money } from '../../../parts/values.tsx';
import { useText } from '../../../shell/language.tsx';
import type { Period } from '../periods.tsx';
import { PreviewDialog } from './preview-dialog.tsx';
import type { SubscriptionDialogProps } from './subscription-actions.tsx';

interface RefundDialogProps extends SubscriptionDialogProps {
  readonly period: Period;
}

/** Refunds a period to the balance, or takes a grant back. */
export function RefundDialog({ customer, subscription, period, onClose }: RefundDialogProps) {
  const t = useText();
  const [part, setPart] = useState('unused');
  const [isPaidOut, setPaidOut] = useState(false);
  const [keepsAutoRenew, setKeepsAutoRenew] = useState(false);
  const refund = useChange('/v1/customers/{telegram_id}/refunds');
  const path = { telegram_id: customer.telegram_id };
  const body = {
    period_id: period.id,
    part,
    ...(isPaidOut && { payout: true }),
    ...(keepsAutoRenew && { keep_auto_renew: true }),
    if_expires_at: subscription.expires_at,
  };
  return (
    <PreviewDialog
      title={t('customer-refund-one', { id: String(period.id) })}
      confirm={t('customer-refund')}
      done={t('customer-refunded')}
      isDangerous
      preview="/v1/customers/{telegram_id}/refunds/preview"
      params={path}
      body={body}
      summarize={({ answer: { amount, paid_out, currency } }) => (
        <p>
          {t('customer-refund-amount')} <Money amount={amount} currency={currency} />
          {isPaidOut && (
            <>
              , {t('customer-refund-paid-out')} <Money amount={paid_out} currency={currency} />
            </>
          )}
        </p>
      )}
      act={(key) => refund.mutateAsync({ path, body, key })}
      onClose={onClose}
    >
      <SelectField
        label={t('customer-refund-part')}
        value={part}
        onChange={setPart}
        options={[
          ['unused', t('customer-refund-unused')],
          ['whole', t('customer-refund-whole')],
        ]}
      />
      <CheckField label={t('customer-refund-payout')} isChecked={isPaidOut} onChange={setPaidOut} />
      <CheckField
        label={t('customer-refund-keep')}
        isChecked={keepsAutoRenew}
        onChange={setKeepsAutoRenew}
      />
    </PreviewDialog>
  );
}
