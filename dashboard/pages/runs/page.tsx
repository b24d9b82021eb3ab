import './page.css';
import { useListState } from '../../parts/list-state.ts';
import { useText } from '../../shell/language.tsx';
import { RunDetails } from './details.tsx';
import { Lanes } from './lanes.tsx';
import { RunList } from './list.tsx';

/** The runs of the workers: a lane for each worker, a list, and one run. */
export default function Page() {
  const t = useText();
  const run = useListState(['run']).get('run');
  if (run !== '')
    return (
      <>
        <h1>{t('runs-one', { id: run })}</h1>
        <RunDetails id={run} />
      </>
    );
  return (
    <>
      <h1>{t('page-runs')}</h1>
      <section aria-labelledby="lanes">
        <h2 id="lanes">{t('runs-workers')}</h2>
        <Lanes />
      </section>
      <section aria-labelledby="run-list">
        <h2 id="run-list">{t('runs-list')}</h2>
        <RunList />
      </section>
    </>
  );
}
