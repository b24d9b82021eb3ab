import { useChange } from '../../../api/client.ts';
import { ActionDialog } from '../../../parts/action-dialog.tsx';
import { useText } from '../../../shell/language.tsx';
import type { SubscriptionDialogProps } from './subscription-actions.tsx';

/** Replaces the credential. Time and money stay, so there is no preview. */
export function ReissueDialog({ customer, subscription, onClose }: SubscriptionDialogProps) {
  const t = useText();
  const { id } = subscription;
  const reissue = useChange('/v1/customers/{telegram_id}/subscriptions/{id}/reissue');
  const path = { telegram_id: customer.telegram_id, id };
  return (
    <ActionDialog
      title={t('customer-reissue-title', { id: String(id) })}
      confirm={t('customer-reissue')}
      done={t('customer-reissued')}
      isDangerous
      act={(key) => reissue.mutateAsync({ path, key })}
      onClose={onClose}
    >
      <p>{t('customer-reissue-effect')}</p>
    </ActionDialog>
  );
}
