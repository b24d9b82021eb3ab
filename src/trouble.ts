import { faultOf } from './db/faults.ts';
import { minuteMs, secondMs } from './kernel/instant.ts';
import { stopwatch } from './kernel/stopwatch.ts';

export interface TroubleLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The same trouble is said once in this time: an outage must not fill the disk. */
const sayAgainMs = 10 * secondMs;

/** Says what went wrong in something that goes on by itself, and the same not all the time. */
export function sayer(log: TroubleLog): (error: unknown, what: string) => void {
  const elapsedMs = stopwatch();
  const said = new Map<string, number>();
  return (thrown, what) => {
    // pg-boss emits copies of errors, which are plain objects.
    const fault = faultOf(
      thrown instanceof Error ? thrown : Object.assign(new Error(), thrown as object),
    );
    const key = `${what} ${fault.code}`;
    const last = said.get(key);
    if (last !== undefined && elapsedMs() - last < sayAgainMs) return;
    if (elapsedMs() > minuteMs && said.size > 100) said.clear();
    said.set(key, elapsedMs());
    const level = fault.kind === 'transient' ? 'warn' : 'error';
    log[level]({ code: fault.code, err: fault }, `${what}: ${fault.message}`);
  };
}
