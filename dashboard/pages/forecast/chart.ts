import 'uplot/dist/uPlot.min.css';
import UPlot from 'uplot';
import type { ForecastDay } from './days.ts';

// The bars of the forecast. This module is loaded with its first use.

export interface Chart {
  setDays(days: readonly ForecastDay[]): void;
  /** Marks a day. */
  select(day: string): void;
  destroy(): void;
}

export interface ChartOptions {
  readonly days: readonly ForecastDay[];
  readonly selected: string;
  formatDay(day: string): string;
  /** The day under the pointer; undefined: there is none. */
  onPoint(index: number | undefined): void;
  onDay(day: string): void;
}

const heightPx = 260;
/** A bar is as wide as a day. */
const halfDayS = 43_200;

/** The names of the bars, from the bottom to the top, and the classes of their colours. */
const barNames = ['renewals', 'short', 'ending'] as const;

/** The colour of a class. The policy forbids inline styles, and a canvas needs a colour as text. */
function readColor(element: HTMLElement, className: string): string {
  const probe = document.createElement('span');
  probe.className = className;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const toSeconds = (day: string): number => Date.parse(day) / 1_000;

/** Sums from the bottom, the highest first: each bar hides the lower part of the one before. */
function stackDays(days: readonly ForecastDay[]): UPlot.AlignedData {
  const sums = [
    days.map(({ renewals, short, ending }) => renewals + short + ending),
    days.map(({ renewals, short }) => renewals + short),
    days.map(({ renewals }) => renewals),
  ];
  return [days.map(({ day }) => toSeconds(day)), ...sums];
}

export function createChart(element: HTMLElement, options: ChartOptions): Chart {
  let { days, selected } = options;
  const colors = barNames.map((name) => readColor(element, `bar-${name}`));
  const [text, line, mark, gap] = ['axis-text', 'axis-line', 'bar-mark', 'bar-gap'].map((name) =>
    readColor(element, name),
  );
  const axis: UPlot.Axis = {
    stroke: text ?? '',
    grid: { stroke: line ?? '', width: 1 },
    ticks: { stroke: line ?? '', width: 1 },
    font: '12px system-ui, sans-serif',
  };
  const paths = UPlot.paths.bars?.({ size: [0.8, 60], radius: 0.1 });
  const toSeries = (color: string | undefined): UPlot.Series => ({
    fill: color ?? '',
    // A line between the parts shows their limits without colours.
    stroke: gap ?? '',
    width: 1.5,
    points: { show: false },
    ...(paths && { paths }),
  });
  const markSelected = (plot: UPlot) => {
    const index = days.findIndex(({ day }) => day === selected);
    if (index < 0) return;
    const at = toSeconds(selected);
    const left = plot.valToPos(at - halfDayS, 'x', true);
    const right = plot.valToPos(at + halfDayS, 'x', true);
    const { top, height } = plot.bbox;
    plot.ctx.fillStyle = mark ?? '';
    plot.ctx.fillRect(left, top, right - left, height);
  };
  const plot = new UPlot(
    {
      width: Math.max(element.clientWidth, 1),
      height: heightPx,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1_000), 'UTC'),
      scales: {
        x: { time: true, range: (_, min, max) => [min - halfDayS, max + halfDayS] },
        y: { range: (_, __, max) => [0, Math.max(max, 4)] },
      },
      axes: [
        {
          ...axis,
          space: 80,
          values: (_, splits) =>
            splits.map((at) => options.formatDay(new Date(at * 1_000).toISOString().slice(0, 10))),
        },
        { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5] },
      ],
      series: [{}, ...colors.toReversed().map(toSeries)],
      hooks: {
        drawAxes: [markSelected],
        setCursor: [({ cursor: { idx } }) => options.onPoint(idx ?? undefined)],
      },
    },
    stackDays(days),
    element,
  );
  plot.over.addEventListener('click', () => {
    const day = days[plot.cursor.idx ?? -1];
    if (day !== undefined) options.onDay(day.day);
  });
  const resizing = new ResizeObserver(() =>
    plot.setSize({ width: Math.max(element.clientWidth, 1), height: heightPx }),
  );
  resizing.observe(element);
  return {
    setDays(next) {
      days = next;
      plot.setData(stackDays(next));
    },
    select(day) {
      selected = day;
      plot.redraw(false, true);
    },
    destroy() {
      resizing.disconnect();
      plot.destroy();
    },
  };
}
