import type { Config, ConfigFile } from '../config/config.ts';
import type { Db, Tx } from '../db/connect.ts';
import { refused } from '../kernel/faults.ts';
import type { Instant } from '../kernel/instant.ts';
import { dayMs, hourMs } from '../kernel/instant.ts';
import { readPriceList } from '../subscription/store/prices.ts';
import { readSettings } from '../subscription/store/settings.ts';
import type { FileFault } from './file-faults.ts';
import { readPlansOnSale } from './sold-plans.ts';

// `renewal.window` is at most half of the shortest period on sale. With a longer window a renewal
// would charge for the next period soon after the last one was paid.

export const computeWindowMaxMs = (periodDays: number): number => (periodDays * dayMs) / 2;

/** Half of a period, as the configuration writes it. */
const formatHalf = (days: number): string => (days % 2 === 0 ? `${days / 2}d` : `${days * 12}h`);

const formatDuration = (ms: number): string =>
  ms % dayMs === 0 ? `${ms / dayMs}d` : ms % hourMs === 0 ? `${ms / hourMs}h` : `${ms / 1_000}s`;

/** Checks the window against the periods that are on sale after this file was applied. */
export async function readWindowFaults(
  db: Db | Tx,
  { file }: Pick<Config, 'file'>,
  now: Instant,
): Promise<FileFault[]> {
  const windowMs = file.renewal?.window ?? (await readSettings(db)).windowMs;
  const sold = file.plans === undefined ? await readSoldPeriods(db, now) : toPeriods(file.plans);
  const shortest = Math.min(...sold);
  if (windowMs <= computeWindowMaxMs(shortest)) return [];
  const sentence = `renewal.window: "${formatDuration(windowMs)}" is longer than half of the shortest period on sale (${shortest} days); expected at most ${formatHalf(shortest)}`;
  return [{ code: 'window_too_long', path: ['renewal', 'window'], sentence }];
}

/** @throws Fault `window_too_long` for a new price of a period that is too short for the window */
export async function requirePeriodFitsWindow(tx: Tx, periodDays: number): Promise<void> {
  const { windowMs } = await readSettings(tx);
  if (windowMs <= computeWindowMaxMs(periodDays)) return;
  throw refused(
    'window_too_long',
    `--days: renewal.window "${formatDuration(windowMs)}" is longer than half of ${periodDays} days; expected a window of at most ${formatHalf(periodDays)}`,
  );
}

function toPeriods(plans: NonNullable<ConfigFile['plans']>): number[] {
  return Object.values(plans).flatMap(({ prices }) =>
    Object.values(prices).flatMap((byPeriod) => Object.keys(byPeriod).map(Number)),
  );
}

async function readSoldPeriods(db: Db | Tx, now: Instant): Promise<number[]> {
  const plans = new Set(await readPlansOnSale(db));
  const { entries } = await readPriceList(db, now);
  return entries.filter(({ plan }) => plans.has(plan)).map(({ periodDays }) => periodDays);
}
