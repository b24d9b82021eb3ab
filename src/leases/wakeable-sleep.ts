import { startTimer } from '../kernel/timer.ts';

// A sleep that a wake-up ends early: for marks, for the next probe, for due notifications.

export class WakeableSleep {
  #isWakePending = false;
  #endSleep: (() => void) | undefined;

  /** Ends the current sleep, or else the next one. */
  wake(): void {
    this.#isWakePending = true;
    this.#endSleep?.();
  }

  /** Sleeps at most `ms`. The signal also ends the sleep. */
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#endSleep = undefined;
        this.#isWakePending = false;
        resolve();
      };
      const timer = startTimer(end, ms);
      signal.addEventListener('abort', end, { once: true });
      this.#endSleep = end;
      if (this.#isWakePending || signal.aborted) end();
    });
  }
}

/** A signal that aborts `graceMs` after `signal`. The delay is cancelled by `ended`. */
export function delayAbort(signal: AbortSignal, graceMs: number, ended: AbortSignal): AbortSignal {
  const delayed = new AbortController();
  const startDelay = () =>
    void new WakeableSleep().sleep(graceMs, ended).then(() => delayed.abort());
  signal.addEventListener('abort', startDelay, { once: true });
  return delayed.signal;
}
