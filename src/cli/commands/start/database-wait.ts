import { toFault } from '../../../db/faults.ts';
import { minuteMs, secondMs } from '../../../kernel/instant.ts';
import { stopwatch } from '../../../kernel/stopwatch.ts';
import { pause } from '../../../kernel/timer.ts';
import type { Log } from '../../../logging/log.ts';

/** Codes of `createConnectionFault` for a PostgreSQL that is starting. */
const retryableCodes = new Set(['unreachable', 'database_busy']);
const retryMs = secondMs;
const logEveryMs = minuteMs;

export interface WaitOptions {
  /** 0: the first failure is thrown. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
  readonly log: Pick<Log, 'warn' | 'info'>;
}

/** Retries every second until the database is open or the limit is over. Logs once per minute. */
export async function retryUntilReachable<T>(
  open: () => Promise<T>,
  options: WaitOptions,
): Promise<T> {
  const { waitMs, signal, log } = options;
  const elapsedMs = stopwatch();
  let loggedMs: number | undefined;
  for (;;) {
    try {
      const opened = await open();
      if (loggedMs !== undefined)
        log.info({ waitedMs: Math.round(elapsedMs()) }, 'PostgreSQL reachable');
      return opened;
    } catch (error) {
      const { code, message } = toFault(error);
      if (!retryableCodes.has(code) || signal.aborted || elapsedMs() + retryMs > waitMs)
        throw error;
      if (loggedMs === undefined || elapsedMs() - loggedMs >= logEveryMs) {
        loggedMs = elapsedMs();
        const leftSeconds = Math.ceil((waitMs - loggedMs) / secondMs);
        log.warn({ leftSeconds, reason: message }, 'waiting for PostgreSQL');
      }
      await pause(retryMs, signal);
    }
  }
}
