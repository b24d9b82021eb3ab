import { inTransaction } from '../db/connect.ts';
import { formatCount } from '../kernel/count.ts';
import { dayMs, type Instant, isoTime, later, latest } from '../kernel/instant.ts';
import { moneyText } from '../kernel/money.ts';
import {
  type ForecastStep,
  forecastWorkerName,
  hasChargeForecast,
  readLastSubscription,
  writeChargeForecast,
} from '../runs/charge-forecast.ts';
import type { PreviewContext } from '../runs/preview.ts';
import type { RunContext } from '../runs/run-context.ts';
import { countBatch, type RunRow, withRunRecord } from '../runs/run-record.ts';
import type { AlarmPreview } from '../runs/worker.ts';
import { forecastStepMs, toForecastStep } from '../subscription/rules/spend-limit.ts';
import { forecastAll } from './forecast.ts';
import type { PlannedCharge } from './outcomes.ts';

// store-forecast stores the forecast of the charges once a day, for the spend guard.
//
// 1. The first forecast also contains the charges that are due already, in its first step.
// 2. A later one replaces the steps after its own step. Charges that are due already stay out of
//    it: if no earlier forecast expected them, the guard decides.

/** Two further daily runs may fail before a time has no forecast. */
const forecastDays = 3;

interface StoredForecast {
  readonly steps: readonly ForecastStep[];
  /** The start of the first step. */
  readonly from: Instant;
  /** The last subscription that was there at the beginning. */
  readonly lastId: bigint;
}

async function computeStoredForecast({
  db,
  signal,
}: Pick<RunContext, 'db' | 'signal'>): Promise<StoredForecast> {
  const [isFirst, lastId] = await inTransaction(db, async (tx) => [
    !(await hasChargeForecast(tx)),
    await readLastSubscription(tx),
  ]);
  const charges = new Map<
    string,
    { at: Instant; currency: string; count: number; minor: bigint }
  >();
  const addCharge = ({ at, currency, amountMinor }: PlannedCharge) => {
    const step = toForecastStep(at);
    const key = `${step} ${currency}`;
    const sum = charges.get(key) ?? { at: step, currency, count: 0, minor: 0n };
    sum.count += 1;
    sum.minor += amountMinor;
    charges.set(key, sum);
  };
  const report = { outcome: () => undefined, charge: addCharge };
  const range = await forecastAll(db, { days: forecastDays, signal }, report);
  const present = toForecastStep(range.from);
  const all = [...charges.values()];
  if (isFirst) return { steps: mergeOverdue(all, present), from: present, lastId };
  const from = later(present, forecastStepMs);
  return { steps: all.filter(({ at }) => at >= from), from, lastId };
}

/** Adds the charges that are due before `from` to its step. */
function mergeOverdue(steps: readonly ForecastStep[], from: Instant): ForecastStep[] {
  const groups = Map.groupBy(steps, ({ at, currency }) => `${latest(at, from)} ${currency}`);
  return [...groups.values()].map((group) => {
    const [{ at, currency }] = group as [ForecastStep];
    const minor = group.reduce((sum, step) => sum + step.minor, 0n);
    return { at: latest(at, from), currency, count: countCharges(group), minor };
  });
}

const countCharges = (steps: readonly ForecastStep[]): number =>
  steps.reduce((sum, { count }) => sum + count, 0);

function run(context: RunContext): Promise<RunRow> {
  return withRunRecord(context, { worker: forecastWorkerName }, async ({ id }) => {
    const { steps, from, lastId } = await computeStoredForecast(context);
    // An interrupted walk has only a part of the customers.
    if (context.signal.aborted) return { outcome: 'partial', detail: { work_left: true } };
    const charges = countCharges(steps);
    await inTransaction(context.db, async (tx) => {
      await writeChargeForecast(tx, steps, from, lastId);
      const counts = { charges, steps: steps.length };
      await countBatch(tx, id, { examined: charges, changed: steps.length, failed: 0, counts });
    });
    return { outcome: 'success' };
  });
}

async function preview(
  context: PreviewContext,
  report: (preview: AlarmPreview) => void,
): Promise<void> {
  const { steps } = await computeStoredForecast(context);
  for (const { at, currency, count, minor } of steps.toSorted((a, b) => a.at - b.at)) {
    const sentence = `${formatCount(count, 'charge')}, ${moneyText(minor, currency)} would be stored`;
    report({ subject: isoTime(at), outcome: 'forecast', sentence });
  }
}

export const storeForecast = { name: forecastWorkerName, everyMs: dayMs, run, preview };
