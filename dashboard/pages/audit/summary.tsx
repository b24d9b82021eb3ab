import { Figure } from '../../parts/figure.tsx';
import { useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import type { AuditReport } from './audit-run.ts';

/** The result of an audit in four figures. */
export function Summary({ report }: { readonly report: AuditReport }) {
  const t = useText();
  const { time, count, duration } = useFormats();
  const { ok, now, checks, took_ms: tookMs, since } = report;
  const violations = checks.reduce((sum, check) => sum + check.violations, 0);
  return (
    <>
      <div class="figures">
        <Figure
          label={t('audit-result')}
          value={t(ok ? 'audit-ok' : 'audit-wrong')}
          note={time(now)}
          tone={ok ? 'good' : 'bad'}
        />
        <Figure
          label={t('audit-violations')}
          value={count(violations)}
          tone={violations > 0 ? 'bad' : 'neutral'}
        />
        <Figure label={t('audit-checks')} value={count(checks.length)} />
        <Figure label={t('audit-took')} value={duration(tookMs)} />
      </div>
      {since !== null && (
        <p>
          {since.at === null
            ? t('audit-everything', { because: since.because ?? '' })
            : t('audit-changes', { at: time(since.at), count: count(since.customers ?? 0) })}
        </p>
      )}
    </>
  );
}
