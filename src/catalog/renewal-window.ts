import type { Config, ConfigFile } from '../config.ts';
import type { Db, Tx } from '../db/connect.ts';
import { refused } from '../kernel/faults.ts';
import type { Instant } from '../kernel/instant.ts';
import { dayMs, hourMs } from '../kernel/instant.ts';
import { readPriceList } from '../subscription/price-list.ts';
import { readSettings } from '../subscription/settings.ts';
import type { BookFault } from './book-faults.ts';
import { plansOnSale } from './on-sale.ts';

// `renewal.window` is at most half of the shortest period on sale. With a longer window a renewal
// would charge for the next period soon after the last one was paid.

export const longestWindowMs = (periodDays: number): number => (periodDays * dayMs) / 2;

/** Half of a period, as the configuration writes it. */
const halfOf = (days: number): string => (days % 2 === 0 ? `${days / 2}d` : `${days * 12}h`);

const text = (ms: number): string =>
  ms % dayMs === 0 ? `${ms / dayMs}d` : ms % hourMs === 0 ? `${ms / hourMs}h` : `${ms / 1_000}s`;

/** Checks the window against the periods that are on sale after this file was applied. */
export async function windowFaults(
  db: Db | Tx,
  { file }: Pick<Config, 'file'>,
  now: Instant,
): Promise<BookFault[]> {
  const windowMs = file.renewal?.window ?? (await readSettings(db)).windowMs;
  const sold = file.plans === undefined ? await soldPeriods(db, now) : periodsOf(file.plans);
  const shortest = Math.min(...sold);
  if (windowMs <= longestWindowMs(shortest)) return [];
  const sentence = `renewal.window: "${text(windowMs)}" is longer than half of the shortest period on sale (${shortest} days); expected at most ${halfOf(shortest)}`;
  return [{ code: 'window_too_long', path: ['renewal', 'window'], sentence }];
}

/** @throws Fault `window_too_long` for a new price of a period that is too short for the window */
export async function refuseShortPeriod(tx: Tx, periodDays: number): Promise<void> {
  const { windowMs } = await readSettings(tx);
  if (windowMs <= longestWindowMs(periodDays)) return;
  throw refused(
    'window_too_long',
    `--days: renewal.window "${text(windowMs)}" is longer than half of ${periodDays} days; expected a window of at most ${halfOf(periodDays)}`,
  );
}

function periodsOf(plans: NonNullable<ConfigFile['plans']>): number[] {
  return Object.values(plans).flatMap(({ prices }) =>
    Object.values(prices).flatMap((byPeriod) => Object.keys(byPeriod).map(Number)),
  );
}

async function soldPeriods(db: Db | Tx, now: Instant): Promise<number[]> {
  const plans = new Set(await plansOnSale(db));
  const { entries } = await readPriceList(db, now);
  return entries.filter(({ plan }) => plans.has(plan)).map(({ periodDays }) => periodDays);
}
