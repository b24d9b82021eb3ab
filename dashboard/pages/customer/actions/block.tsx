import { useState } from 'preact/hooks';
import { useChange } from '../../../api/client.ts';
import { TextField } from '../../../parts/fields.tsx';
import { useText } from '../../../shell/language.tsx';
import type { CustomerDialogProps } from './customer-actions.tsx';
import { PreviewDialog } from './preview-dialog.tsx';

/** Ends the access of all subscriptions. Money and time stay. */
export function BlockDialog({ customer, onClose }: CustomerDialogProps) {
  const t = useText();
  const [reason, setReason] = useState('');
  const block = useChange('/v1/customers/{telegram_id}/block');
  const path = { telegram_id: customer.telegram_id };
  const body = { reason: reason.trim() };
  return (
    <PreviewDialog
      title={t('customer-block')}
      confirm={t('customer-block')}
      done={t('customer-blocked-now')}
      isDangerous
      preview="/v1/customers/{telegram_id}/block/preview"
      params={path}
      body={body.reason === '' ? undefined : body}
      summarize={({ answer }) => <p>{t('customer-block-ends', { count: answer.subscriptions })}</p>}
      act={(key) => block.mutateAsync({ path, body, key })}
      onClose={onClose}
    >
      <TextField label={t('customer-reason')} value={reason} onChange={setReason} isRequired />
    </PreviewDialog>
  );
}

/** Restores the access of subscriptions that are still active. */
export function UnblockDialog({ customer, onClose }: CustomerDialogProps) {
  const t = useText();
  const [reason, setReason] = useState('');
  const unblock = useChange('/v1/customers/{telegram_id}/unblock');
  const path = { telegram_id: customer.telegram_id };
  const body = { reason: reason.trim() };
  return (
    <PreviewDialog
      title={t('customer-unblock')}
      confirm={t('customer-unblock')}
      done={t('customer-unblocked-now')}
      preview="/v1/customers/{telegram_id}/unblock/preview"
      params={path}
      body={body.reason === '' ? undefined : body}
      summarize={({ answer }) => (
        <p>{t('customer-unblock-restores', { count: answer.subscriptions })}</p>
      )}
      act={(key) => unblock.mutateAsync({ path, body, key })}
      onClose={onClose}
    >
      <TextField label={t('customer-reason')} value={reason} onChange={setReason} isRequired />
    </PreviewDialog>
  );
}
