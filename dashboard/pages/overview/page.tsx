import './page.css';
import { useRead } from '../../api/client.ts';
import { ProblemList } from '../../parts/problems.tsx';
import { Loaded } from '../../parts/states.tsx';
import { Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { Figures } from './figures.tsx';

/** The start page: the present problems first, then the figures of the moment. */
export default function Page() {
  const t = useText();
  const problems = useRead('/v1/problems');
  const overview = useRead('/v1/overview');
  return (
    <>
      <h1>{t('page-overview')}</h1>
      <section aria-labelledby="problems">
        <h2 id="problems">{t('overview-problems', { count: problems.data?.items.length ?? 0 })}</h2>
        <Loaded read={problems}>
          {({ items }) => <ProblemList problems={items} empty={t('overview-calm')} />}
        </Loaded>
      </section>
      <section aria-labelledby="figures">
        <h2 id="figures">{t('overview-figures')}</h2>
        <Loaded read={overview}>
          {(data) => (
            <>
              <Figures overview={data} />
              <p>
                <small>
                  {t('overview-now')} <Time at={data.now} />
                </small>
              </p>
            </>
          )}
        </Loaded>
      </section>
    </>
  );
}
