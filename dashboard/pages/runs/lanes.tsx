import { useRead } from '../../api/client.ts';
import { Loaded } from '../../parts/states.tsx';
import { Time, useFormats } from '../../parts/values.tsx';
import { useHasText, useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { WorkerActions } from './actions.tsx';
import { OutcomeBadge, type Run } from './outcome.tsx';
import { Strip } from './strip.tsx';

// One lane for each worker: its last run, and its runs of the shown time. The time ends with the
// latest run, because the clock of a test database is not that of the browser.

/** The most rows of one answer. */
const runsMax = 500;
const dayMs = 86_400_000;

export function Lanes() {
  const workers = useRead('/v1/workers');
  const runs = useRead('/v1/runs', { query: { limit: runsMax } });
  return (
    <Loaded read={runs}>
      {({ items }) => (
        <Loaded read={workers}>{(list) => <LaneList workers={list.items} runs={items} />}</Loaded>
      )}
    </Loaded>
  );
}

interface Worker {
  readonly name: string;
  readonly every_s: number;
  readonly last_run: { readonly outcome: Run['outcome']; readonly started_at: string } | null;
}

function LaneList(props: { readonly workers: readonly Worker[]; readonly runs: readonly Run[] }) {
  const t = useText();
  const hasText = useHasText();
  const can = useCan();
  const formats = useFormats();
  const { workers, runs } = props;
  const { from, until } = computeRange(runs);
  return (
    <>
      <p>
        {t('runs-shown', {
          from: formats.time(new Date(from).toISOString()),
          until: formats.time(new Date(until).toISOString()),
        })}
      </p>
      <ul class="lanes">
        {workers.map(({ name, every_s: everyS, last_run: last }) => (
          <li key={name} class="lane">
            <h3>{name}</h3>
            <p class="about">
              {hasText(`runs-about-${name}`) && `${t(`runs-about-${name}`)} `}
              {t('runs-every', { interval: formats.duration(everyS * 1_000) })}
            </p>
            <p class="last">
              {last === null ? (
                t('runs-none-yet')
              ) : (
                <>
                  <OutcomeBadge outcome={last.outcome} /> <Time at={last.started_at} />
                </>
              )}
            </p>
            <Strip
              worker={name}
              runs={runs.filter(({ worker }) => worker === name)}
              from={from}
              until={until}
            />
            {can('admin') && <WorkerActions worker={name} />}
          </li>
        ))}
      </ul>
    </>
  );
}

/** The last day, or a shorter time if it has more runs than one answer. */
function computeRange(runs: readonly Run[]): { from: number; until: number } {
  const times = runs.flatMap(({ started_at, finished_at }) =>
    [started_at, finished_at].flatMap((iso) => (iso === null ? [] : [Date.parse(iso)])),
  );
  const until = times.length === 0 ? Date.now() : Math.max(...times);
  const oldest = runs.length < runsMax ? Number.NEGATIVE_INFINITY : Math.min(...times);
  return { from: Math.max(until - dayMs, oldest), until };
}
