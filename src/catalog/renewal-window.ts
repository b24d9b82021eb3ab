import type { Config, ConfigFile } from '../config/config.ts';
import type { Db, Tx } from '../db/connect.ts';
import { formatCount } from '../kernel/count.ts';
import { refused } from '../kernel/faults.ts';
import type { Instant } from '../kernel/instant.ts';
import { dayMs, formatDuration } from '../kernel/instant.ts';
import { readPriceList } from '../subscription/store/prices.ts';
import { readSettings } from '../subscription/store/settings.ts';
import type { FileFault } from './file-faults.ts';
import { readPlansOnSale } from './sold-plans.ts';

// `renewal.window` is at most half of the shortest period on sale. With a longer window a renewal
// would charge for the next period soon after the last one was paid.

const computeWindowMaxMs = (periodDays: number): number => (periodDays * dayMs) / 2;

/** Checks the window against the periods on sale after this file is applied. */
export async function readWindowFaults(
  db: Db | Tx,
  { file }: Pick<Config, 'file'>,
  now: Instant,
): Promise<FileFault[]> {
  const windowMs = file.renewal?.window ?? (await readSettings(db)).windowMs;
  const sold = file.plans === undefined ? await readSoldPeriods(db, now) : toPeriods(file.plans);
  const shortest = Math.min(...sold);
  if (windowMs <= computeWindowMaxMs(shortest)) return [];
  const sentence = `renewal.window: "${formatDuration(windowMs)}" is longer than half of the shortest period on sale (${formatCount(shortest, 'day')}); expected at most ${formatDuration(computeWindowMaxMs(shortest))}`;
  return [{ code: 'window_too_long', path: ['renewal', 'window'], sentence }];
}

/** @throws Fault `window_too_long` for a new price of a period that is too short for the window */
export async function requirePeriodFitsWindow(tx: Tx, periodDays: number): Promise<void> {
  const { windowMs } = await readSettings(tx);
  if (windowMs <= computeWindowMaxMs(periodDays)) return;
  throw refused(
    'window_too_long',
    `--days: renewal.window "${formatDuration(windowMs)}" is longer than half of ${formatCount(periodDays, 'day')}; expected a window of at most ${formatDuration(computeWindowMaxMs(periodDays))}`,
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
