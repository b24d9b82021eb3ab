import { useState } from 'preact/hooks';
import { useChange } from '../../../api/client.ts';
import { TextField } from '../../../parts/fields.tsx';
import { useText } from '../../../shell/language.tsx';
import { isAmount, toAmount } from './amount.ts';
import type { CustomerDialogProps } from './customer-actions.tsx';
import { PreviewDialog } from './preview-dialog.tsx';

/** Corrects the balance by hand. */
export function AdjustDialog({ customer, onClose }: CustomerDialogProps) {
  const t = useText();
  const { telegram_id, currency } = customer;
  const [amount, setAmount] = useState('');
  const [reason, setReason] = useState('');
  const adjust = useChange('/v1/customers/{telegram_id}/adjustments');
  const path = { telegram_id };
  const body = { amount: toAmount(amount), reason: reason.trim() };
  return (
    <PreviewDialog
      title={t('customer-adjust')}
      confirm={t('customer-adjust')}
      done={t('customer-adjusted')}
      isDangerous
      preview="/v1/customers/{telegram_id}/adjustments/preview"
      params={path}
      body={isAmount(amount) && body.reason !== '' ? body : undefined}
      act={(key) => adjust.mutateAsync({ path, body, key })}
      onClose={onClose}
    >
      <TextField
        label={t('customer-amount', { currency })}
        hint={t('customer-adjust-hint')}
        value={amount}
        onChange={setAmount}
        isRequired
      />
      <TextField label={t('customer-reason')} value={reason} onChange={setReason} isRequired />
    </PreviewDialog>
  );
}
