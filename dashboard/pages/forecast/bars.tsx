import { useEffect, useRef, useState } from 'preact/hooks';
import { useFormats } from '../../parts/values.tsx';
import { useLanguage, useText } from '../../shell/language.tsx';
import type { Chart } from './chart.ts';
import type { ForecastDay } from './days.ts';

// Bars for each day. The table below has the same figures for screen readers and the keyboard.

interface BarsProps {
  readonly days: readonly ForecastDay[];
  /** Empty: no day is selected. */
  readonly selected: string;
  onDay(day: string): void;
}

export function Bars({ days, selected, onDay }: BarsProps) {
  const t = useText();
  const { shortDay } = useFormats();
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart>(undefined);
  const theme = useThemeVersion();
  const language = useLanguage();
  const [pointed, setPointed] = useState<number>();
  const present = useRef({ days, selected, onDay });
  present.current = { days, selected, onDay };
  useEffect(() => {
    let isGone = false;
    void import('./chart.ts').then(({ createChart }) => {
      if (isGone || place.current === null) return;
      chart.current = createChart(place.current, {
        ...present.current,
        formatDay: shortDay,
        onPoint: setPointed,
        onDay: (day) => present.current.onDay(day),
      });
    });
    return () => {
      isGone = true;
      chart.current?.destroy();
      chart.current = undefined;
    };
  }, [theme, language]);
  useEffect(() => chart.current?.setDays(days), [days]);
  useEffect(() => chart.current?.select(selected), [selected]);
  const day = days[pointed ?? days.findIndex((each) => each.day === selected)];
  return (
    <figure class="bars">
      <Legend />
      {/* The place is reserved. Screen readers and the keyboard use the table. */}
      <div class="chart" ref={place} aria-hidden="true" />
      <p class="pointed" aria-hidden="true">
        {day === undefined
          ? t('forecast-point')
          : t('forecast-pointed', { ...toValues(day, shortDay) })}
      </p>
    </figure>
  );
}

const toValues = (
  { day, renewals, short, ending }: ForecastDay,
  formatDay: (day: string) => string,
) => ({ day: formatDay(day), renewals, short, ending });

function Legend() {
  const t = useText();
  return (
    <figcaption class="legend">
      {(['renewals', 'short', 'ending'] as const).map((name) => (
        <span key={name}>
          <span class={`swatch bar-${name}`} aria-hidden="true" /> {t(`forecast-${name}`)}
        </span>
      ))}
    </figcaption>
  );
}

/** Changes with the theme of the page and of the system: a canvas keeps its colours. */
function useThemeVersion(): number {
  const [version, setVersion] = useState(0);
  useEffect(() => {
    const change = () => setVersion((present) => present + 1);
    const system = matchMedia('(prefers-color-scheme: dark)');
    const choice = new MutationObserver(change);
    system.addEventListener('change', change);
    choice.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      system.removeEventListener('change', change);
      choice.disconnect();
    };
  }, []);
  return version;
}
