import { useState } from 'preact/hooks';
import { useChange } from '../../../api/client.ts';
import { TextField } from '../../../parts/fields.tsx';
import { useText } from '../../../shell/language.tsx';
import type { Customer } from '../page.tsx';
import { isAmount, toAmount } from './amount.ts';
import { PreviewDialog } from './preview-dialog.tsx';

interface TopUpDialogProps {
  readonly customer: Customer;
  /** The amount at first. */
  readonly amount?: string;
  onClose(): void;
}

/** Credits a payment to the balance. */
export function TopUpDialog({ customer, amount: amountAtFirst = '', onClose }: TopUpDialogProps) {
  const t = useText();
  const { telegram_id, currency } = customer;
  const [amount, setAmount] = useState(amountAtFirst);
  const [provider, setProvider] = useState('');
  const [reference, setReference] = useState('');
  const topUp = useChange('/v1/customers/{telegram_id}/top-ups');
  const isComplete = isAmount(amount) && (provider === '') === (reference === '');
  const body = {
    amount: toAmount(amount),
    ...(provider !== '' && { provider, provider_ref: reference }),
  };
  const path = { telegram_id };
  return (
    <PreviewDialog
      title={t('customer-top-up')}
      confirm={t('customer-top-up')}
      done={t('customer-topped-up')}
      preview="/v1/customers/{telegram_id}/top-ups/preview"
      params={path}
      body={isComplete ? body : undefined}
      act={(key) => topUp.mutateAsync({ path, body, key })}
      onClose={onClose}
    >
      <TextField
        label={t('customer-amount', { currency })}
        value={amount}
        onChange={setAmount}
        inputMode="decimal"
        isRequired
      />
      <TextField
        label={t('customer-provider')}
        hint={t('customer-provider-hint')}
        value={provider}
        onChange={setProvider}
      />
      <TextField
        label={t('customer-reference')}
        hint={t('customer-reference-hint')}
        value={reference}
        onChange={setReference}
      />
    </PreviewDialog>
  );
}
