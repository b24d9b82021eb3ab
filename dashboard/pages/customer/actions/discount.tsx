import { useState } from 'preact/hooks';
import { usePatch } from '../../../api/client.ts';
import { CheckField, TextField } from '../../../parts/fields.tsx';
import { useText } from '../../../shell/language.tsx';
import type { CustomerDialogProps } from './customer-actions.tsx';
import { PreviewDialog } from './preview-dialog.tsx';

/** Sets VIP and the personal discount, from the next charge on. */
export function DiscountDialog({ customer, onClose }: CustomerDialogProps) {
  const t = useText();
  const [isVip, setVip] = useState(customer.vip);
  const [percent, setPercent] = useState(String(customer.discount_percent));
  const change = usePatch('/v1/customers/{telegram_id}/discount');
  const path = { telegram_id: customer.telegram_id };
  const isPercent = /^\d{1,3}$/.test(percent) && Number(percent) <= 100;
  const body = { vip: isVip, discount_percent: Number(percent) };
  return (
    <PreviewDialog
      title={t('customer-discount-set')}
      confirm={t('customer-discount-save')}
      done={t('customer-discount-saved')}
      preview="/v1/customers/{telegram_id}/discount/preview"
      params={path}
      body={isPercent ? body : undefined}
      act={() => change.mutateAsync({ path, body })}
      onClose={onClose}
    >
      <CheckField label={t('customer-vip-long')} isChecked={isVip} onChange={setVip} />
      <TextField
        label={t('customer-discount-percent')}
        value={percent}
        onChange={setPercent}
        inputMode="numeric"
        isRequired
      />
    </PreviewDialog>
  );
}
