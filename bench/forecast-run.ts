import { openSingleConnection } from '../src/db/single-connection.ts';
import { forecastOutcomes } from '../src/forecast/forecast.ts';
import { ForecastTotals } from '../src/forecast/totals.ts';

// A process that makes one forecast of the database of a URL. `forecast.ts` starts it.

export interface ForecastMeasured {
  readonly ms: number;
  readonly peakMb: number;
  readonly cpuMs: number;
  readonly outcomes: number;
}

const [, , url, days] = process.argv as [string, string, string, string];
await using connection = await openSingleConnection(url);
const totals = new ForecastTotals('day');
let outcomes = 0;
const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
await forecastOutcomes(connection.db, { days: Number(days) }, (one) => {
  totals.add(one);
  outcomes += 1;
});
const ms = performance.now() - startedMs;
const { user, system } = process.cpuUsage(cpu);
const measured: ForecastMeasured = {
  ms,
  peakMb: process.resourceUsage().maxRSS / 1_024,
  cpuMs: (user + system) / 1_000,
  outcomes,
};
process.send?.(measured);
process.disconnect?.();
