import { clientConfig, connectClient, workLimits } from './db/connect.ts';
import { faultOf } from './db/faults.ts';
import { placeOf } from './db/place.ts';
import { minuteMs, secondMs } from './kernel/instant.ts';
import { stopwatch } from './kernel/stopwatch.ts';
import { startTimer } from './kernel/timer.ts';

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
const codes =
  /^(econnrefused|econnreset|etimedout|epipe|enoent|enotfound|eai_again|ehostunreach|enetunreach|connection_lost|pg_(57P0[123]|08...))$/;
/** Lines that report the same without a code. */
const messages = /^(keepers: their connection was lost|books not reached)/;

const probeEveryMs = secondMs;
const lateMs = 5 * secondMs;

export interface OutageLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

export interface Outage {
  /** Takes a line of the log. @returns whether it is about the outage, and is not logged by itself */
  takes(fields: object, message: string, logIt: () => void): boolean;
  stop(): void;
}

interface OutageOptions {
  readonly log: OutageLog;
  readonly database: string;
  /** Resolves if a new connection works. */
  readonly probe: () => Promise<void>;
  readonly probeEveryMs?: number;
  readonly repeatMs?: number;
}

/** The database behind `url`, by a connection of its own for each question. */
export function watchOutage(url: string, log: OutageLog): Outage {
  const probe = async () => {
    const client = await connectClient(url, clientConfig(url, workLimits));
    await client.end();
  };
  return openOutage({ log, database: placeOf(url), probe });
}

export function openOutage(options: OutageOptions): Outage {
  const { log, database } = options;
  let kept: (() => void)[] = [];
  let state: 'up' | 'asking' | 'down' | 'stopped' = 'up';
  let timer: NodeJS.Timeout | undefined;
  let reports = 0;
  let sinceMs = stopwatch();
  let saidMs = 0;
  let upMs = stopwatch();
  let wasDown = false;

  function goDown(error: unknown): void {
    if (state !== 'down') {
      state = 'down';
      sinceMs = stopwatch();
      saidMs = 0;
      reports = kept.length;
      kept = [];
      const reason = faultOf(error).message;
      log.error({ database, reason }, 'PostgreSQL unreachable; work waits until it is back');
    } else if (sinceMs() - saidMs >= (options.repeatMs ?? minuteMs)) {
      saidMs = sinceMs();
      const downSeconds = Math.round(saidMs / secondMs);
      log.error({ database, downSeconds, reports }, 'PostgreSQL is still unreachable');
    }
    timer = startTimer(ask, options.probeEveryMs ?? probeEveryMs).unref();
  }

  function goUp(): void {
    const before = state;
    state = 'up';
    if (before === 'down') {
      wasDown = true;
      upMs = stopwatch();
      const downSeconds = Math.round(sinceMs() / secondMs);
      log.info({ database, downSeconds, reports }, 'PostgreSQL is reachable again');
    }
    const lines = kept;
    kept = [];
    for (const logIt of lines) logIt();
  }

  function ask(): void {
    options.probe().then(
      () => state !== 'stopped' && goUp(),
      (error: unknown) => state !== 'stopped' && goDown(error),
    );
  }

  return {
    takes(fields, message, logIt) {
      const { code } = fields as { code?: unknown };
      const isOurs = codes.test(String(code)) || messages.test(message);
      if (!isOurs || state === 'stopped') return false;
      reports += 1;
      if (state === 'down' || (state === 'up' && wasDown && upMs() < lateMs)) return true;
      kept.push(logIt);
      if (state === 'up') {
        state = 'asking';
        ask();
      }
      return true;
    },
    stop() {
      state = 'stopped';
      clearTimeout(timer);
    },
  };
}
