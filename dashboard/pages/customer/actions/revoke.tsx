import { useState } from 'preact/hooks';
import { useChange } from '../../../api/client.ts';
import { SelectField, TextField } from '../../../parts/fields.tsx';
import { Money } from '../../../parts/values.tsx';
import { useText } from '../../../shell/language.tsx';
import { PreviewDialog } from './preview-dialog.tsx';
import type { SubscriptionDialogProps } from './subscription-actions.tsx';

/** Ends the access of a subscription for good. */
export function RevokeDialog({ customer, subscription, onClose }: SubscriptionDialogProps) {
  const t = useText();
  const { id, expires_at } = subscription;
  const [reason, setReason] = useState('');
  const [refund, setRefund] = useState('');
  const revoke = useChange('/v1/customers/{telegram_id}/subscriptions/{id}/revoke');
  const path = { telegram_id: customer.telegram_id, id };
  const body = {
    reason: reason.trim(),
    ...(refund !== '' && { refund }),
    if_expires_at: expires_at,
  };
  return (
    <PreviewDialog
      title={t('customer-revoke-title', { id: String(id) })}
      confirm={t('customer-revoke')}
      done={t('customer-revoked')}
      isDangerous
      preview="/v1/customers/{telegram_id}/subscriptions/{id}/revoke/preview"
      params={path}
      body={reason.trim() === '' ? undefined : body}
      summarize={({ answer: { refunded, currency } }) =>
        refund !== '' && (
          <p>
            {t('customer-refund-amount')} <Money amount={refunded} currency={currency} />
          </p>
        )
      }
      act={(key) => revoke.mutateAsync({ path, body, key })}
      onClose={onClose}
    >
      <TextField label={t('customer-reason')} value={reason} onChange={setReason} isRequired />
      <SelectField
        label={t('customer-refund-part')}
        value={refund}
        onChange={setRefund}
        options={[
          ['', t('customer-refund-none')],
          ['unused', t('customer-refund-unused')],
          ['whole', t('customer-refund-whole')],
        ]}
      />
    </PreviewDialog>
  );
}
