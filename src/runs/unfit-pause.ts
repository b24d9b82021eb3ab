import { minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { WakeableSleep } from '../leases/wakeable-sleep.ts';

// The pause of a replica after a run that it skipped, so that other replicas take the work.
//
// The pause lasts 30 s, and longer while the clock of this machine is wrong. After 5 min at most
// the replica tries again, so that skipped runs keep `alarm_clock` open (`raise-alarms/store.ts`).

const unfitMs = 30 * secondMs;
const unfitMaxMs = 5 * minuteMs;

export interface UnfitPause {
  readonly signal: AbortSignal;
  /** Whether the clock of this machine is right. */
  readonly isClockRight: (() => boolean) | undefined;
  readonly unfitMs?: number | undefined;
}

/** Resolves when this replica may try again, or with the signal. */
export async function pauseUnfit(options: UnfitPause): Promise<void> {
  const { signal, isClockRight = () => true } = options;
  const waitedMs = stopwatch();
  do {
    await new WakeableSleep().sleep(options.unfitMs ?? unfitMs, signal);
  } while (!signal.aborted && !isClockRight() && waitedMs() < unfitMaxMs);
}
