import { useState } from 'preact/hooks';
import { useChange } from '../../api/client.ts';
import { ActionDialog, DifferenceTable } from '../../parts/action-dialog.tsx';
import { TextField } from '../../parts/fields.tsx';
import { Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import type { QuarantineRow } from './columns.tsx';

interface ItemDialogProps {
  readonly item: QuarantineRow;
  onClose(): void;
}

/** Retries one item at once. */
export function RetryDialog({ item: row, onClose }: ItemDialogProps) {
  const t = useText();
  const { worker, item } = row;
  const retry = useChange('/v1/quarantine/{worker}/{item}/retry');
  return (
    <ActionDialog
      title={t('quarantine-retry-one', { item })}
      confirm={t('quarantine-retry-confirm', { count: 1 })}
      done={t('quarantine-retried')}
      act={() => retry.mutateAsync({ path: { worker, item } })}
      onClose={onClose}
    >
      <p>{row.sentence}</p>
      <DifferenceTable
        rows={[
          {
            label: t('quarantine-retry-at'),
            before: <Time at={row.retry_at} />,
            after: t('quarantine-at-once'),
          },
        ]}
      />
    </ActionDialog>
  );
}

/** Retries all items of a worker and a reason. */
export function RetryAllDialog(props: {
  readonly worker: string;
  readonly reason: string;
  readonly count: number;
  onClose(): void;
}) {
  const t = useText();
  const { worker, reason, count, onClose } = props;
  const retry = useChange('/v1/quarantine/retry');
  const body = { ...(worker !== '' && { worker }), ...(reason !== '' && { reason }) };
  return (
    <ActionDialog
      title={t('quarantine-retry-all', { count })}
      confirm={t('quarantine-retry-confirm', { count })}
      done={t('quarantine-retried')}
      act={() => retry.mutateAsync({ body })}
      onClose={onClose}
    >
      <p>{[worker, reason].filter((each) => each !== '').join(': ')}</p>
      <p>{t('quarantine-retry-effect')}</p>
    </ActionDialog>
  );
}

/** Deletes the record of a failure. The work stays due by its own facts. */
export function DismissDialog({ item: row, onClose }: ItemDialogProps) {
  const t = useText();
  const { worker, item } = row;
  const [reason, setReason] = useState('');
  const dismiss = useChange('/v1/quarantine/{worker}/{item}/dismiss');
  return (
    <ActionDialog
      title={t('quarantine-dismiss-one', { item })}
      confirm={t('quarantine-dismiss-confirm')}
      isDangerous
      isReady={reason.trim() !== ''}
      done={t('quarantine-dismissed')}
      act={() => dismiss.mutateAsync({ path: { worker, item }, body: { reason: reason.trim() } })}
      onClose={onClose}
    >
      <p>{row.sentence}</p>
      <DifferenceTable
        rows={[
          {
            label: t('quarantine-record'),
            before: t('quarantine-record-kept', { count: row.attempts }),
            after: t('quarantine-record-deleted'),
          },
          {
            label: t('quarantine-work'),
            before: <Time at={row.retry_at} />,
            after: t('quarantine-work-usual'),
          },
        ]}
      />
      <TextField
        label={t('quarantine-dismiss-reason')}
        hint={t('quarantine-dismiss-hint')}
        value={reason}
        onChange={setReason}
        isRequired
      />
    </ActionDialog>
  );
}
