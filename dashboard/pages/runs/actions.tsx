import { useState } from 'preact/hooks';
import { useChange } from '../../api/client.ts';
import { ActionDialog } from '../../parts/action-dialog.tsx';
import { useText } from '../../shell/language.tsx';
import { DryRun } from './dry-run.tsx';

type Choice = 'dry-run' | 'run';

/** "Dry run" and "Run now" of a worker. A dry run ends with the choice to run. */
export function WorkerActions({ worker }: { readonly worker: string }) {
  const t = useText();
  const [choice, setChoice] = useState<Choice>();
  return (
    <div class="actions">
      {(['dry-run', 'run'] as const).map((each) => (
        <button
          key={each}
          type="button"
          aria-label={t(`runs-${each}-of`, { worker })}
          onClick={() => setChoice(each)}
        >
          {t(`runs-${each}`)}
        </button>
      ))}
      {choice !== undefined && (
        <RunDialog worker={worker} choice={choice} onClose={() => setChoice(undefined)} />
      )}
    </div>
  );
}

function RunDialog(props: { readonly worker: string; readonly choice: Choice; onClose(): void }) {
  const t = useText();
  const { worker, choice, onClose } = props;
  const start = useChange('/v1/workers/{name}/runs');
  return (
    <ActionDialog
      title={t(`runs-${choice}-of`, { worker })}
      confirm={t('runs-run')}
      done={t('runs-requested', { worker })}
      act={() => start.mutateAsync({ path: { name: worker }, body: {} })}
      onClose={onClose}
    >
      <p>{t(`runs-${choice}-effect`)}</p>
      {choice === 'dry-run' && <DryRun worker={worker} />}
    </ActionDialog>
  );
}
