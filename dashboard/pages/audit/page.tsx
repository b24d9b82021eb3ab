import './page.css';
import { EmptyState, ErrorState } from '../../parts/states.tsx';
import { useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { useAuditRun } from './audit-run.ts';
import { CheckList } from './checks.tsx';
import { Progress } from './progress.tsx';
import { Summary } from './summary.tsx';

/** The audit: its progress, and each check with its violations. */
export default function Page() {
  const t = useText();
  const can = useCan();
  return (
    <>
      <h1>{t('page-audit')}</h1>
      <p>{t('audit-about')}</p>
      {can('admin') ? <Audit /> : <EmptyState text={t('audit-needs-admin')} />}
    </>
  );
}

function Audit() {
  const t = useText();
  const run = useAuditRun();
  const { report, problem, isRunning } = run;
  return (
    <>
      <div class="filters">
        <button
          type="button"
          class="primary"
          disabled={isRunning}
          onClick={() => run.start({ onlyChanges: false })}
        >
          {t('audit-run')}
        </button>
        <button type="button" disabled={isRunning} onClick={() => run.start({ onlyChanges: true })}>
          {t('audit-run-changes')}
        </button>
        <button type="button" disabled={!isRunning} onClick={run.stop}>
          {t('audit-stop')}
        </button>
      </div>
      <Progress isRunning={isRunning} />
      {problem !== undefined && <ErrorState problem={problem} />}
      {report === undefined ? (
        <EmptyState text={t('audit-none-yet')} />
      ) : (
        <>
          <Summary report={report} />
          <CheckList checks={report.checks} />
        </>
      )}
    </>
  );
}
