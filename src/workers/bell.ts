import { startTimer } from '../kernel/timer.ts';

// A wait that ends early when somebody rings: for marks, for the next probe, for messages owed.

export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  /** Ends the wait; if nobody waits, the next one. */
  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** At most `ms`; ends with the signal too. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        this.#rung = false;
        resolve();
      };
      const timer = startTimer(end, ms);
      signal.addEventListener('abort', end, { once: true });
      this.#wake = end;
      if (this.#rung || signal.aborted) end();
    });
  }
}

/** A signal that aborts `graceMs` after `signal`. It is given up with `ended`. */
export function graceAfter(signal: AbortSignal, graceMs: number, ended: AbortSignal): AbortSignal {
  const after = new AbortController();
  const begin = () => void new Bell().wait(graceMs, ended).then(() => after.abort());
  signal.addEventListener('abort', begin, { once: true });
  return after.signal;
}
