import { useState } from 'preact/hooks';
import { SelectField, TextField } from '../../parts/fields.tsx';
import { Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { BulkDialog, type BulkDialogProps } from './bulk-dialog.tsx';

const daysMax = 3_660;
const dayMs = 86_400_000;

/** Free days for all customers that match. */
export function GrantDialog(props: BulkDialogProps) {
  const t = useText();
  const [days, setDays] = useState('1');
  const count = Number(days);
  const isValid = Number.isInteger(count) && count >= 1 && count <= daysMax;
  return (
    <BulkDialog
      {...props}
      title={t('subscriptions-grant-title')}
      body={isValid ? { action: 'grant', days: count } : undefined}
      detail={{
        title: t('subscriptions-end-after'),
        // Customers with several subscriptions get the days for each of those that match.
        cell: ({ active, expires_at: at }) =>
          active === 1 && at !== null ? (
            <Time at={new Date(Date.parse(at) + count * dayMs).toISOString()} />
          ) : (
            t('subscriptions-plus-days', { count })
          ),
      }}
    >
      <TextField
        label={t('subscriptions-days')}
        value={days}
        onChange={setDays}
        inputMode="numeric"
        pattern="[0-9]+"
        isRequired
      />
    </BulkDialog>
  );
}

/** Auto-renewal on or off for all customers that match. */
export function AutoRenewDialog(props: BulkDialogProps) {
  const t = useText();
  const [choice, setChoice] = useState('off');
  const text = t(choice === 'on' ? 'subscriptions-on' : 'subscriptions-off');
  return (
    <BulkDialog
      {...props}
      title={t('subscriptions-auto-renew-title')}
      body={{ action: 'auto_renew', auto_renew: choice === 'on' }}
      detail={{ title: t('subscriptions-auto-renew'), cell: () => text }}
    >
      <SelectField
        label={t('subscriptions-auto-renew')}
        value={choice}
        onChange={setChoice}
        options={[
          ['off', t('subscriptions-off')],
          ['on', t('subscriptions-on')],
        ]}
      />
    </BulkDialog>
  );
}
