import { Link } from 'wouter';
import { Badge, useFormats } from '../../parts/values.tsx';
import { useHasText, useText } from '../../shell/language.tsx';
import type { AuditReport } from './audit-run.ts';

type Check = AuditReport['checks'][number];

/** The title of a check: of this language if the check is known, else that of the API. */
export function CheckTitle({
  check: { id, title },
}: {
  readonly check: Pick<Check, 'id' | 'title'>;
}) {
  const t = useText();
  const hasText = useHasText();
  return <>{hasText(`audit-check-${id}`) ? t(`audit-check-${id}`) : title}</>;
}

/** The checks by promise. Checks with violations are first, with the rows that violate them. */
export function CheckList({ checks }: { readonly checks: readonly Check[] }) {
  const t = useText();
  const violated = checks.filter(({ violations }) => violations > 0);
  const byPromise = Map.groupBy(checks, ({ promise }) => promise);
  return (
    <>
      {violated.length > 0 && (
        <section aria-labelledby="violated">
          <h2 id="violated">{t('audit-violated')}</h2>
          {violated.map((check) => (
            <ViolatedCheck key={check.id} check={check} />
          ))}
        </section>
      )}
      <h2>{t('audit-all')}</h2>
      {[...byPromise].map(([promise, ofPromise]) => (
        <details key={promise ?? 0} class="promise">
          <summary>
            <PromiseTitle promise={promise} checks={ofPromise} />
          </summary>
          <ul>
            {ofPromise.map((check) => (
              <li key={check.id}>
                <Violations count={check.violations} /> <CheckTitle check={check} />
              </li>
            ))}
          </ul>
        </details>
      ))}
    </>
  );
}

function PromiseTitle(props: {
  readonly promise: number | null;
  readonly checks: readonly Check[];
}) {
  const t = useText();
  const { promise, checks } = props;
  return (
    <>
      <Violations count={checks.reduce((sum, { violations }) => sum + violations, 0)} />{' '}
      {t(`audit-promise-${promise ?? 'none'}`)}{' '}
      <small>{t('audit-check-count', { count: checks.length })}</small>
    </>
  );
}

function Violations({ count: violations }: { readonly count: number }) {
  const { count } = useFormats();
  return <Badge tone={violations === 0 ? 'good' : 'bad'} text={count(violations)} />;
}

function ViolatedCheck({ check }: { readonly check: Check }) {
  const t = useText();
  const { violations, sample } = check;
  return (
    <section class="panel">
      <h3>
        <Violations count={violations} /> <CheckTitle check={check} />
      </h3>
      {sample.length < violations && <p>{t('audit-sample', { count: sample.length })}</p>}
      <ul>
        {sample.map(({ telegram_id: id, sentence, rows }) => (
          <li key={`${id} ${sentence}`}>
            {id !== null && (
              <>
                <Link href={`/customers/${id}`}>
                  {t('audit-customer', { id: String(id) })}
                </Link>{' '}
              </>
            )}
            {sentence} <small>{formatRows(rows)}</small>
          </li>
        ))}
      </ul>
    </section>
  );
}

const formatRows = (rows: Readonly<Record<string, readonly (string | number)[]>>): string =>
  Object.entries(rows)
    .map(([table, ids]) => `${table} ${ids.join(', ')}`)
    .join('; ');
