import { useSteadyRows } from '../../parts/steady-rows.ts';
import { useText } from '../../shell/language.tsx';
import { type Problem, ProblemItem } from './problem.tsx';

/** A problem keeps its place while its numbers change. */
const toKey = ({ code, params }: Problem): string =>
  [code, params.worker, params.node, params.subject, params.channel, params.reason].join(' ');

/** The present problems, the worst first. They do not move under the pointer. */
export function ProblemList({ problems }: { readonly problems: readonly Problem[] }) {
  const t = useText();
  const { rows, hasNews, show, watch } = useSteadyRows(problems, toKey, '');
  return (
    <section class="problems" aria-labelledby="problems" {...watch}>
      <h2 id="problems">{t('overview-problems', { count: rows.length })}</h2>
      {/* The place is reserved, so the button moves no problem. */}
      <p class="news">
        {hasNews && (
          <button type="button" class="danger" onClick={show}>
            {t('show-changes')}
          </button>
        )}
      </p>
      {rows.length === 0 ? (
        <p class="calm">{t('overview-calm')}</p>
      ) : (
        <ul>
          {rows.map(({ row, isGone }) => (
            <ProblemItem key={toKey(row)} problem={row} isGone={isGone} />
          ))}
        </ul>
      )}
    </section>
  );
}
