import { useChange } from '../../api/client.ts';
import { ActionDialog, DifferenceTable } from '../../parts/action-dialog.tsx';
import { useHasText, useText } from '../../shell/language.tsx';
import { describeKind, type NoticeRow, NoticeState } from './columns.tsx';

interface NoticeDialogProps {
  readonly notice: NoticeRow;
  onClose(): void;
}

/** Sends a notification again, or now. */
export function ResendDialog({ notice, onClose }: NoticeDialogProps) {
  const t = useText();
  const resend = useChange('/v1/notices/{id}/resend');
  const mayRepeat = notice.state === 'sent' || notice.state === 'uncertain';
  return (
    <ActionDialog
      title={t('messages-resend-one', { id: String(notice.id) })}
      confirm={t('messages-resend')}
      done={t('messages-resent')}
      act={() => resend.mutateAsync({ path: { id: notice.id } })}
      onClose={onClose}
    >
      <StateDifference notice={notice} after="pending" />
      <p>{t('messages-resend-relevant')}</p>
      {mayRepeat && <p>{t('messages-resend-twice')}</p>}
    </ActionDialog>
  );
}

/** A notification that was not sent is not sent any more. */
export function CancelDialog({ notice, onClose }: NoticeDialogProps) {
  const t = useText();
  const cancel = useChange('/v1/notices/{id}/cancel');
  return (
    <ActionDialog
      title={t('messages-cancel-one', { id: String(notice.id) })}
      confirm={t('messages-cancel-confirm')}
      isDangerous
      done={t('messages-cancelled')}
      act={() => cancel.mutateAsync({ path: { id: notice.id } })}
      onClose={onClose}
    >
      <StateDifference notice={notice} after="suppressed" />
      {notice.state === 'uncertain' && <p>{t('messages-cancel-uncertain')}</p>}
    </ActionDialog>
  );
}

function StateDifference({ notice, after }: { notice: NoticeRow; after: NoticeRow['state'] }) {
  const t = useText();
  const hasText = useHasText();
  return (
    <DifferenceTable
      rows={[
        {
          label: describeKind(t, hasText, notice.kind),
          before: <NoticeState state={notice.state} />,
          after: <NoticeState state={after} />,
        },
      ]}
    />
  );
}
