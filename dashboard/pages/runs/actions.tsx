import { useState } from 'preact/hooks';
import { useChange } from '../../api/client.ts';
import { ActionDialog } from '../../parts/action-dialog.tsx';
import { useText } from '../../shell/language.tsx';

/** "Run now" of a worker. */
export function WorkerActions({ worker }: { readonly worker: string }) {
  const t = useText();
  const [isOpen, setOpen] = useState(false);
  return (
    <div class="actions">
      <button type="button" aria-label={t('runs-run-of', { worker })} onClick={() => setOpen(true)}>
        {t('runs-run')}
      </button>
      {isOpen && <RunDialog worker={worker} onClose={() => setOpen(false)} />}
    </div>
  );
}

function RunDialog({ worker, onClose }: { readonly worker: string; onClose(): void }) {
  const t = useText();
  const start = useChange('/v1/workers/{name}/runs');
  return (
    <ActionDialog
      title={t('runs-run-of', { worker })}
      confirm={t('runs-run')}
      done={t('runs-requested', { worker })}
      act={() => start.mutateAsync({ path: { name: worker } })}
      onClose={onClose}
    >
      <p>{t('runs-run-effect')}</p>
    </ActionDialog>
  );
}
