import { useEffect, useRef } from 'preact/hooks';
import { useRead } from '../../api/client.ts';
import { useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { CheckTitle } from './checks.tsx';

const runningEveryMs = 500;
const idleEveryMs = 15_000;

/** The progress of this audit, or of the audit of another person. Its place is reserved. */
export function Progress({ isRunning }: { readonly isRunning: boolean }) {
  const t = useText();
  const { duration } = useFormats();
  const everyMs = isRunning ? runningEveryMs : idleEveryMs;
  const { data, dataUpdatedAt, refetch } = useRead('/v1/audit/progress', {}, { everyMs });
  const changedAt = useRef(0);
  useEffect(() => {
    changedAt.current = Date.now();
    void refetch();
  }, [isRunning]);
  // A read before the start or the end of this audit is outdated.
  const progress = dataUpdatedAt < changedAt.current ? null : (data?.running ?? null);
  const isShown = isRunning || progress !== null;
  return (
    <div class="audit-progress" role="status">
      {isShown && (
        <>
          <progress
            aria-label={t('audit-progress')}
            max={Math.max(progress?.of ?? 0, 1)}
            value={Math.max((progress?.at ?? 0) - 1, 0)}
          />
          {progress === null || progress.at === 0 ? (
            <p>{t('audit-starts')}</p>
          ) : (
            <p>
              {t(isRunning ? 'audit-at' : 'audit-at-other', {
                at: progress.at,
                of: progress.of,
                time: duration(progress.elapsed_ms),
              })}{' '}
              <CheckTitle check={progress} />
            </p>
          )}
        </>
      )}
    </div>
  );
}
