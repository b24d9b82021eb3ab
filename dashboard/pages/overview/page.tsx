import './page.css';
import { useRead } from '../../api/client.ts';
import { Loaded } from '../../parts/states.tsx';
import { Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { Figures } from './figures.tsx';
import { ProblemList } from './problem-list.tsx';

/** The start page: the present problems first, then the figures of the moment. */
export default function Page() {
  const t = useText();
  const problems = useRead('/v1/problems');
  const overview = useRead('/v1/overview');
  return (
    <>
      <h1>{t('page-overview')}</h1>
      <Loaded read={problems}>{({ items }) => <ProblemList problems={items} />}</Loaded>
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
