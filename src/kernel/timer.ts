// Every timer of the program, so that no wait is longer than a timer can be.
//
// A timer of Node.js holds 2^31 - 1 ms, about 24.8 days. It fires at once for a longer wait, so a
// time that a clock has moved by a month would make a loop spin. Such a wait ends early here, and
// its loop waits again. A wait that is not a number is no wait.

export const timerMaxMs = 2 ** 31 - 1;

/** The wait that a timer can hold. */
export const timerMs = (ms: number): number =>
  Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), timerMaxMs);

export const startTimer = (callback: () => void, ms: number): NodeJS.Timeout =>
  setTimeout(callback, timerMs(ms));

export const startInterval = (callback: () => void, ms: number): NodeJS.Timeout =>
  setInterval(callback, timerMs(ms));

/** Aborts after this time. */
export const timeoutSignal = (ms: number): AbortSignal =>
  AbortSignal.timeout(Math.ceil(timerMs(ms)));

/** Resolves after this time, or earlier with the signal. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = startTimer(end, ms);
    signal?.addEventListener('abort', end, { once: true });
    if (signal?.aborted) end();
  });
}
