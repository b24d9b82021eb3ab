import { useState } from 'preact/hooks';
import { usePatch } from '../../../api/client.ts';
import { useText } from '../../../shell/language.tsx';
import { PreviewDialog } from './preview-dialog.tsx';
import type { SubscriptionDialogProps } from './subscription-actions.tsx';

/** Sets auto-renewal to the other state. */
export function AutoRenewDialog({ customer, subscription, onClose }: SubscriptionDialogProps) {
  const t = useText();
  const { id } = subscription;
  // The decision stays the same if the subscription changes meanwhile.
  const [isOn] = useState(!subscription.auto_renew);
  const change = usePatch('/v1/customers/{telegram_id}/subscriptions/{id}');
  const path = { telegram_id: customer.telegram_id, id };
  const body = { auto_renew: isOn };
  const name = `customer-auto-renew-${isOn ? 'on' : 'off'}`;
  return (
    <PreviewDialog
      title={t(`${name}-title`, { id: String(id) })}
      confirm={t(name)}
      done={t('customer-auto-renew-set')}
      preview="/v1/customers/{telegram_id}/subscriptions/{id}/preview"
      params={path}
      body={body}
      act={() => change.mutateAsync({ path, body })}
      onClose={onClose}
    />
  );
}
