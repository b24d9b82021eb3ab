import { toFault } from '../db/faults.ts';
import { minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import type { Log } from './log.ts';

/** The same error is logged once in this time, so that an outage does not fill the disk. */
const repeatMs = 10 * secondMs;

/** Logs the errors of a task that continues by itself, and repeats the same error only rarely. */
export function throttledLogger(
  log: Pick<Log, 'warn' | 'error'>,
): (error: unknown, source: string) => void {
  const elapsedMs = stopwatch();
  const loggedAtMs = new Map<string, number>();
  return (thrown, source) => {
    // pg-boss emits copies of errors, which are plain objects.
    const fault = toFault(
      thrown instanceof Error ? thrown : Object.assign(new Error(), thrown as object),
    );
    const key = `${source} ${fault.code}`;
    const last = loggedAtMs.get(key);
    if (last !== undefined && elapsedMs() - last < repeatMs) return;
    if (elapsedMs() > minuteMs && loggedAtMs.size > 100) loggedAtMs.clear();
    loggedAtMs.set(key, elapsedMs());
    const level = fault.kind === 'transient' ? 'warn' : 'error';
    log[level]({ code: fault.code, err: fault }, `${source}: ${fault.message}`);
  };
}
