import { dayMs, hourMs, type Instant, later, latest, minuteMs } from '../../kernel/instant.ts';
import type { SpendLimits } from './settings.ts';

// The rule of the spend guard: which runs and charges need a confirmation.
//
// 1. The service stores a forecast of the charges each day. Before its first charge, a run counts
//    the charges that are due and those since the last complete run of auto-renewal. It compares
//    them with the forecast for the same time.
// 2. A run is held if there are more than `floor` (100) charges, and more than `factor` (3) times
//    the forecast. So is a run with more than `floor` charges in a currency whose sum is more than
//    `factor` times the forecast of this currency.
// 3. The compared time is at most 2 hours. So a clock that jumped ahead by a day finds the charges
//    of a day, and the forecast of 2 hours.
// 4. Without any stored forecast no run is held. A time that no forecast covers has no expected
//    charges, so only `floor` charges are made. Subscriptions that are newer than the forecast, as
//    after an import, are not compared. A charge that was short at its first attempt was expected
//    then, so it does not count after a payment.
// 5. A charge is held if it is more than `factor` times the highest price of its plan, length and
//    currency within the last 30 days. The present price counts after 7 days. So a wrong price does
//    not justify itself, and an intended one needs confirmations for 7 days at most. A plan whose
//    first price is newer has no such limit.
// 6. A held charge writes nothing, and the subscription stays active.
//
// `hourly-limit.ts` has the limit of late charges.

/**
 * Why a charge is held. `run`: the whole run is larger than the forecast permits; `price`: the
 * charge is too high for its plan; `late`: too many late charges within an hour.
 */
export type HoldReason = 'run' | 'price' | 'late';
export const holdReasons: readonly HoldReason[] = ['run', 'price', 'late'];

/** The reason as a part of a sentence. */
export const holdReasonTexts: Readonly<Record<HoldReason, string>> = {
  run: 'the run has more charges than the forecast permits',
  price: 'the charge is much higher than the earlier prices of the plan',
  late: 'too many charges are late',
};

/** The count of held charges in a run record, by reason. */
export const toHeldKey = (reason: HoldReason) => `held_by_${reason}` as const;

/** Rule 5. */
export const priceHistoryMs = 30 * dayMs;

/** Rule 5. Reminders and receipts state a price several times within this time. */
export const priceTrialMs = 7 * dayMs;

/** Rule 3. */
export const comparedMaxMs = 2 * hourMs;

/** Charges of a stored forecast are added up over this time. */
export const forecastStepMs = 10 * minuteMs;

/** Charges of one currency. */
export interface ChargeSum {
  readonly count: number;
  readonly minor: bigint;
}

export type ChargeSums = ReadonlyMap<string, ChargeSum>;

/** The start of the time that a run compares. */
export const computeComparedFrom = (lastPassAt: Instant | null, now: Instant): Instant =>
  latest(lastPassAt ?? later(now, -comparedMaxMs), later(now, -comparedMaxMs));

/** The start of the step of the forecast that contains this time. */
export const toForecastStep = (at: Instant): Instant =>
  (Math.floor(at / forecastStepMs) * forecastStepMs) as Instant;

/** `amount` times a factor that may be a fraction, rounded down. */
const multiply = (amount: bigint, factor: number): bigint =>
  (amount * BigInt(Math.round(factor * 1_000))) / 1_000n;

/**
 * Rule 2.
 * @param doneCount charges since the last complete run
 */
export function isRunAboveLimit(
  due: ChargeSums,
  doneCount: number,
  forecast: ChargeSums,
  { floor, factor }: SpendLimits,
): boolean {
  const count = [...due.values()].reduce((sum, one) => sum + one.count, doneCount);
  const expected = [...forecast.values()].reduce((sum, one) => sum + one.count, 0);
  if (count > Math.max(floor, factor * expected)) return true;
  return [...due].some(
    ([currency, sum]) =>
      sum.count > floor && sum.minor > multiply(forecast.get(currency)?.minor ?? 0n, factor),
  );
}

/** Rule 5. @param earlierMinor null: there is no earlier price */
export const isChargeAboveLimit = (
  chargeMinor: bigint,
  earlierMinor: bigint | null,
  { factor }: SpendLimits,
): boolean => earlierMinor !== null && chargeMinor > multiply(earlierMinor, factor);
