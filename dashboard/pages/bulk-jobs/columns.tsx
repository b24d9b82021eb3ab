import { Link } from 'wouter';
import type { ItemOf } from '../../api/client.ts';
import { Filter } from '../../parts/filter-text.tsx';
import type { Column } from '../../parts/table.tsx';
import { Badge, Time, type Tone } from '../../parts/values.tsx';
import { type Translate, useText } from '../../shell/language.tsx';

export type JobRow = ItemOf<'/v1/bulk-jobs'>;

const tones: Readonly<Record<JobRow['state'], Tone>> = {
  running: 'warning',
  done: 'good',
  cancelled: 'neutral',
};

export function JobState({ state }: Pick<JobRow, 'state'>) {
  const t = useText();
  return <Badge tone={tones[state]} text={t(`bulk-jobs-state-${state}`)} />;
}

/** The change of a job in words. */
export function describeJob(t: Translate, { action, params }: JobRow): string {
  switch (action) {
    case 'grant':
      return t('bulk-jobs-grant', { count: Number(params.days) });
    case 'auto_renew':
      return t(params.auto_renew === true ? 'bulk-jobs-auto-renew-on' : 'bulk-jobs-auto-renew-off');
    case 'announcement':
      return t('bulk-jobs-announcement');
  }
}

export const countProcessed = ({ done, skipped, failed }: JobRow): number =>
  done + skipped + failed;

export function Progress({ job }: { readonly job: JobRow }) {
  const t = useText();
  const processed = countProcessed(job);
  const { id, total } = job;
  return (
    <span class="progress">
      <progress
        value={processed}
        max={Math.max(1, total)}
        aria-label={t('bulk-jobs-progress-of', { id: String(id) })}
      />
      <small>{t('bulk-jobs-progress', { processed, total })}</small>
    </span>
  );
}

export function useJobColumns(): readonly Column<JobRow>[] {
  const t = useText();
  return [
    {
      id: 'id',
      title: t('bulk-jobs-job'),
      cell: (job) => (
        <Link class="job" href={`/subscriptions/jobs?job=${job.id}`}>
          {job.id}: {describeJob(t, job)}
        </Link>
      ),
    },
    {
      id: 'state',
      title: t('bulk-jobs-state'),
      cell: ({ state }) => <JobState state={state} />,
    },
    { id: 'progress', title: t('bulk-jobs-customers'), cell: (job) => <Progress job={job} /> },
    {
      id: 'filter',
      title: t('bulk-jobs-filter'),
      cell: ({ filter }) => <Filter filter={filter} />,
    },
    { id: 'actor', title: t('bulk-jobs-actor'), cell: ({ actor }) => actor },
    {
      id: 'created',
      title: t('bulk-jobs-created'),
      cell: ({ created_at: at }) => <Time at={at} />,
    },
  ];
}
