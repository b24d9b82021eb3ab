import { minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { WakeableSleep } from '../leases/wakeable-sleep.ts';

// How long a replica leaves work to others after a run that it skipped: 30 s, and longer while its
// own clock is wrong. It then tries at least every 5 minutes, so that skipped runs keep
// `alarm_clock` open (`raise-alarms/store.ts`).

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
