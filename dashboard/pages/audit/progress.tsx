import { useRead } from '../../api/client.ts';
import { useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';

const runningEveryMs = 500;
const idleEveryMs = 15_000;

/** The progress of this audit, or of the audit of another person. Its place is reserved. */
export function Progress({ isRunning }: { readonly isRunning: boolean }) {
  const t = useText();
  const { duration } = useFormats();
  const everyMs = isRunning ? runningEveryMs : idleEveryMs;
  const { data } = useRead('/v1/audit/progress', {}, { everyMs });
  const progress = data?.running ?? null;
  // The last read may be older than the end of the audit.
  const isShown = isRunning || (progress !== null && !isRunning);
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
              {progress.title}
            </p>
          )}
        </>
      )}
    </div>
  );
}
