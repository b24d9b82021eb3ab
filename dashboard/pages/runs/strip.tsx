import { useText } from '../../shell/language.tsx';
import { outcomeTones, type Run } from './outcome.tsx';

// The last runs of a worker over time. The height of a bar repeats its colour: a bad run is high.

interface StripProps {
  readonly worker: string;
  readonly runs: readonly Run[];
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly until: number;
}

const width = 1_000;
const height = 32;
/** A short run stays visible. */
const barMin = 5;
const barHeights = { good: 12, neutral: 20, warning: 22, bad: 32 } as const;

export function Strip({ worker, runs, from, until }: StripProps) {
  const t = useText();
  const toX = (iso: string) => ((Date.parse(iso) - from) / Math.max(until - from, 1)) * width;
  const countOf = (tone: string) => runs.filter((run) => outcomeTones[run.outcome] === tone).length;
  const label = t('runs-strip', {
    worker,
    count: runs.length,
    bad: countOf('bad'),
    warning: countOf('warning'),
  });
  return (
    <svg
      class="strip"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
    >
      <line x1={0} x2={width} y1={height - 0.5} y2={height - 0.5} />
      {runs.map(({ id, started_at, finished_at, outcome }) => {
        const tone = outcomeTones[outcome];
        const start = Math.min(toX(started_at), width - barMin);
        const end = finished_at === null ? width : toX(finished_at);
        const barHeight = barHeights[tone];
        return (
          <rect
            key={id}
            class={tone}
            x={start}
            width={Math.max(end - start, barMin)}
            y={height - barHeight}
            height={barHeight}
          />
        );
      })}
    </svg>
  );
}
