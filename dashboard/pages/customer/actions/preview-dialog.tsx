import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type ChangeAnswer, type ChangePath, usePreview } from '../../../api/client.ts';
import { ActionDialog, DifferenceTable } from '../../../parts/action-dialog.tsx';
import { ErrorState, LoadingState } from '../../../parts/states.tsx';
import { useText } from '../../../shell/language.tsx';
import { type CustomerState, countHidden, useDifferences } from './differences.tsx';

// A dialog for a change of one customer. The API previews the change, so the dialog shows the
// customer before and after it. The page computes no money.

type PreviewPath = Extract<ChangePath, `/v1/customers/{telegram_id}/${string}/preview`>;

/** Fields of a preview that every change has. */
interface Preview {
  readonly before: CustomerState;
  readonly after: CustomerState;
}

interface PreviewDialogProps<Path extends PreviewPath> {
  readonly title: string;
  readonly confirm: string;
  readonly done: string;
  readonly isDangerous?: boolean;
  readonly preview: Path;
  readonly params: Readonly<Record<string, string | number>>;
  /** The change; undefined: a field is missing, or the change is not possible. */
  readonly body: object | undefined;
  /** False: the fields are complete, and they state why the change is not possible. */
  readonly needsFields?: boolean;
  /** The fields. */
  readonly children?: ComponentChildren;
  /** Facts of the answer that are no difference. */
  summarize?(answer: ChangeAnswer<Path>): ComponentChildren;
  /** Sends the change with the body of the preview. */
  act(key: string): Promise<unknown>;
  onClose(): void;
}

/** A person who enters an amount needs no preview of its first digits. */
const settleMs = 300;

function useSettled<Value>(value: Value, identity: string): { value: Value; isSettled: boolean } {
  const [settled, setSettled] = useState({ value, identity });
  useEffect(() => {
    const timer = setTimeout(() => setSettled({ value, identity }), settleMs);
    return () => clearTimeout(timer);
  }, [identity]);
  return { value: settled.value, isSettled: settled.identity === identity };
}

export function PreviewDialog<Path extends PreviewPath>(props: PreviewDialogProps<Path>) {
  const t = useText();
  const { body, preview, params, act, summarize, children, needsFields = true, ...dialog } = props;
  const settled = useSettled(body, JSON.stringify(body ?? null));
  const isComplete = settled.value !== undefined;
  const read = usePreview(
    preview,
    { path: params, ...(settled.value !== undefined && { body: settled.value }) },
    isComplete,
  );
  const isCurrent = isComplete && settled.isSettled && read.data !== undefined;
  return (
    <ActionDialog {...dialog} isReady={isCurrent} act={act}>
      {children}
      <div class="preview" aria-live="polite">
        {!isComplete && needsFields && <p class="quiet">{t('customer-preview-missing')}</p>}
        {isComplete && read.data === undefined && read.error === null && <LoadingState />}
        {isComplete && read.error !== null && <ErrorState problem={read.error} />}
        {isComplete && read.data !== undefined && (
          <>
            {summarize?.(read.data)}
            <Differences preview={read.data as unknown as Preview} />
          </>
        )}
      </div>
    </ActionDialog>
  );
}

function Differences({ preview }: { readonly preview: Preview }) {
  const t = useText();
  const { before, after } = preview;
  const rows = useDifferences()(before, after);
  const hidden = countHidden(before, after);
  if (rows.length === 0) return <p class="quiet">{t('customer-preview-same')}</p>;
  return (
    <>
      <DifferenceTable rows={rows} />
      {hidden > 0 && <p class="quiet">{t('customer-preview-more', { count: hidden })}</p>}
    </>
  );
}
