import { useState } from 'preact/hooks';
import { useChange } from '../../../api/client.ts';
import { TextField } from '../../../parts/fields.tsx';
import { useText } from '../../../shell/language.tsx';
import { isDays } from './amount.ts';
import { PreviewDialog } from './preview-dialog.tsx';
import type { SubscriptionDialogProps } from './subscription-actions.tsx';

const usualDays = '7';

/** Gives free days. */
export function GrantDialog({ customer, subscription, onClose }: SubscriptionDialogProps) {
  const t = useText();
  const { id, expires_at } = subscription;
  const [days, setDays] = useState(usualDays);
  const grant = useChange('/v1/customers/{telegram_id}/subscriptions/{id}/grant');
  const path = { telegram_id: customer.telegram_id, id };
  const body = { days: Number(days), if_expires_at: expires_at };
  return (
    <PreviewDialog
      title={t('customer-grant-title', { id: String(id) })}
      confirm={t('customer-grant')}
      done={t('customer-granted')}
      preview="/v1/customers/{telegram_id}/subscriptions/{id}/grant/preview"
      params={path}
      body={isDays(days) ? body : undefined}
      act={(key) => grant.mutateAsync({ path, body, key })}
      onClose={onClose}
    >
      <TextField
        label={t('customer-free-days')}
        value={days}
        onChange={setDays}
        inputMode="numeric"
        isRequired
      />
    </PreviewDialog>
  );
}
