import { useState } from 'preact/hooks';
import { Link } from 'wouter';
import { type Answer, useChange, useRead } from '../../api/client.ts';
import { ActionDialog, DifferenceTable } from '../../parts/action-dialog.tsx';
import { Filter } from '../../parts/filter-text.tsx';
import { Loaded } from '../../parts/states.tsx';
import { Time } from '../../parts/values.tsx';
import { useHasText, useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { countProcessed, describeJob, JobState, Progress } from './columns.tsx';

type Job = Answer<'/v1/bulk-jobs/{id}'>;

/** One job: its progress, its outcomes, and the customers that it left as they are, by reason. */
export function JobPanel({ id }: { readonly id: number }) {
  const t = useText();
  const can = useCan();
  const [isCancelling, setCancelling] = useState(false);
  const read = useRead('/v1/bulk-jobs/{id}', { path: { id } });
  return (
    <section class="panel" aria-labelledby="job-title">
      <h2 id="job-title">{t('bulk-jobs-title', { id: String(id) })}</h2>
      <Loaded read={read}>
        {(job) => (
          <>
            <p>
              <JobState state={job.state} /> {describeJob(t, job)} ·{' '}
              {t('bulk-jobs-by', { actor: job.actor })} · <Time at={job.created_at} />
            </p>
            <p>
              <Filter filter={job.filter} />{' '}
              <Link href={`/customers?${new URLSearchParams(job.filter)}`}>
                {t('bulk-jobs-customers-now')}
              </Link>
            </p>
            <Texts job={job} />
            <Progress job={job} />
            <Outcomes job={job} />
            <div class="buttons">
              {can('admin') && job.state === 'running' && (
                <button type="button" class="danger" onClick={() => setCancelling(true)}>
                  {t('bulk-jobs-cancel')}
                </button>
              )}
              {job.action === 'announcement' && (
                <Link href="/messages?kind=announcement">{t('bulk-jobs-messages')}</Link>
              )}
              <Link href="/subscriptions/jobs">{t('bulk-jobs-close')}</Link>
            </div>
            {isCancelling && <CancelDialog job={job} onClose={() => setCancelling(false)} />}
          </>
        )}
      </Loaded>
    </section>
  );
}

function Texts({ job: { params } }: { readonly job: Job }) {
  const texts = Object.entries((params.texts ?? {}) as Record<string, string>);
  return (
    <>
      {texts.map(([locale, text]) => (
        <blockquote key={locale} lang={locale}>
          <small>{locale}</small> {text}
        </blockquote>
      ))}
    </>
  );
}

function Outcomes({ job }: { readonly job: Job }) {
  const t = useText();
  const hasText = useHasText();
  const reasons = Object.entries(job.reasons);
  return (
    <ul class="outcomes">
      <li>{t('bulk-jobs-done', { count: job.done })}</li>
      <li>{t('bulk-jobs-skipped', { count: job.skipped })}</li>
      <li>{t('bulk-jobs-failed', { count: job.failed })}</li>
      {reasons.map(([reason, count]) => (
        <li key={reason}>
          {hasText(`bulk-jobs-reason-${reason}`) ? t(`bulk-jobs-reason-${reason}`) : reason}:{' '}
          {count}
        </li>
      ))}
    </ul>
  );
}

function CancelDialog({ job, onClose }: { readonly job: Job; onClose(): void }) {
  const t = useText();
  const cancel = useChange('/v1/bulk-jobs/{id}/cancel');
  const left = job.total - countProcessed(job);
  return (
    <ActionDialog
      title={t('bulk-jobs-cancel-title', { id: String(job.id) })}
      confirm={t('bulk-jobs-cancel')}
      isDangerous
      done={t('bulk-jobs-cancelled')}
      act={() => cancel.mutateAsync({ path: { id: job.id } })}
      onClose={onClose}
    >
      <DifferenceTable
        rows={[
          {
            label: t('bulk-jobs-state'),
            before: t('bulk-jobs-state-running'),
            after: t('bulk-jobs-state-cancelled'),
          },
          { label: t('bulk-jobs-left'), before: left, after: t('bulk-jobs-unchanged') },
          { label: t('bulk-jobs-changed'), before: job.done, after: t('bulk-jobs-stays') },
        ]}
      />
      {job.action === 'announcement' && <p>{t('bulk-jobs-cancel-notices')}</p>}
    </ActionDialog>
  );
}
