import { minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { startTimer } from '../kernel/timer.ts';
import { connectClient, toClientConfig, workLimits } from './connect.ts';
import { describeDatabase } from './database-url.ts';
import { toFault } from './faults.ts';

// One outage of PostgreSQL meets every loop of a service. It is logged once for all of them:
//
//   up      --a loop reports a lost connection-->  asking  (the report is kept)
//   asking  --a new connection works---->  up      (the reports are logged: another cause)
//   asking  --a new connection fails---->  down    (one line; the reports go to the debug level)
//   down    --a minute passes----------->  down    (one line)
//   down    --a new connection works---->  up      (one line)
//
// Loops that notice late report for some seconds after that; these go to the debug level too.

/** Codes of faults (`db/faults.ts`) by which a connection is lost or refused. */
const faultCodes =
  /^(econnrefused|econnreset|etimedout|epipe|enoent|enotfound|eai_again|ehostunreach|enetunreach|connection_lost|pg_(57P0[123]|08...))$/;
/** Messages of log lines that report an outage without a code. Their writers use these values. */
export const outageMessages = {
  keepers: 'keepers: their connection was lost, and their nodes',
  requests: 'database unreachable',
} as const;
const faultMessages: readonly string[] = Object.values(outageMessages);

const probeEveryMs = secondMs;
const lateReportMs = 5 * secondMs;

export interface OutageLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

export interface OutageWatch {
  /** Takes a line of the log. @returns true if it reports the outage: the watch logs it */
  capture(fields: object, message: string, logIt: () => void): boolean;
  stop(): void;
}

interface OutageWatchOptions {
  readonly log: OutageLog;
  readonly database: string;
  /** Resolves if a new connection works. */
  readonly probe: () => Promise<void>;
  readonly probeEveryMs?: number;
  readonly repeatMs?: number;
}

/** Watches the database of `url`. Each probe opens a new connection. */
export function watchOutage(url: string, log: OutageLog): OutageWatch {
  const probe = async () => {
    const client = await connectClient(url, toClientConfig(url, workLimits));
    await client.end();
  };
  return openOutageWatch({ log, database: describeDatabase(url), probe });
}

export function openOutageWatch(options: OutageWatchOptions): OutageWatch {
  const { log, database } = options;
  let pendingLines: (() => void)[] = [];
  let state: 'up' | 'asking' | 'down' | 'stopped' = 'up';
  let timer: NodeJS.Timeout | undefined;
  let reports = 0;
  let sinceMs = stopwatch();
  let loggedMs = 0;
  let upMs = stopwatch();
  let wasDown = false;

  function enterDown(error: unknown): void {
    if (state !== 'down') {
      state = 'down';
      sinceMs = stopwatch();
      loggedMs = 0;
      reports = pendingLines.length;
      pendingLines = [];
      const reason = toFault(error).message;
      log.error({ database, reason }, 'PostgreSQL unreachable; work waits until it is back');
    } else if (sinceMs() - loggedMs >= (options.repeatMs ?? minuteMs)) {
      loggedMs = sinceMs();
      const downSeconds = Math.round(loggedMs / secondMs);
      log.error({ database, downSeconds, reports }, 'PostgreSQL is still unreachable');
    }
    timer = startTimer(probeConnection, options.probeEveryMs ?? probeEveryMs).unref();
  }

  function enterUp(): void {
    const before = state;
    state = 'up';
    if (before === 'down') {
      wasDown = true;
      upMs = stopwatch();
      const downSeconds = Math.round(sinceMs() / secondMs);
      log.info({ database, downSeconds, reports }, 'PostgreSQL is reachable again');
    }
    const lines = pendingLines;
    pendingLines = [];
    for (const logIt of lines) logIt();
  }

  function probeConnection(): void {
    options.probe().then(
      () => state !== 'stopped' && enterUp(),
      (error: unknown) => state !== 'stopped' && enterDown(error),
    );
  }

  return {
    capture(fields, message, logIt) {
      const { code } = fields as { code?: unknown };
      const isOutageLine = faultCodes.test(String(code)) || faultMessages.includes(message);
      if (!isOutageLine || state === 'stopped') return false;
      reports += 1;
      if (state === 'down' || (state === 'up' && wasDown && upMs() < lateReportMs)) return true;
      pendingLines.push(logIt);
      if (state === 'up') {
        state = 'asking';
        probeConnection();
      }
      return true;
    },
    stop() {
      state = 'stopped';
      clearTimeout(timer);
    },
  };
}
