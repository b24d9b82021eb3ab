import { once } from 'node:events';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ServiceBooks, startWorkers } from '../app.ts';
import { placeOf } from '../db/place.ts';
import { rightsFault } from '../db/reach.ts';
import { type Api, type ApiBooks, startApi } from '../http/listen.ts';
import { UsageFault } from '../kernel/faults.ts';
import { dayMs, minuteMs, readDurationMs, secondMs } from '../kernel/instant.ts';
import { type Log, openLog } from '../log.ts';
import { type Outage, watchOutage } from '../outage.ts';
import { atRate, openTestClock } from '../test-clock.ts';
import { startSentinel } from '../workers/clock-sentinel.ts';
import { whole } from './arguments.ts';
import { readConfiguration } from './configuration.ts';
import {
  type CommonOptions,
  command,
  type OpenBooks,
  type OpenedBooks,
  withOpenBooks,
} from './frame.ts';
import { heedSignals } from './signals.ts';
import { untilReachable } from './until-reachable.ts';

// `perennial start`: the service. It ends by SIGTERM or SIGINT: the batch in hand ends, nothing
// new starts, and what is left waits for another replica or the next start.

interface Options extends CommonOptions {
  readonly role: string;
  readonly log?: 'json' | 'text';
  readonly rate?: number;
  readonly wait?: number;
}

/** A service has 10 s to end. What hangs then is cut off: the database undoes what was open. */
const endMs = 8 * secondMs;

export function startCommand(open: OpenBooks): Command {
  return command('start', 'the service: workers and API, until SIGTERM or SIGINT')
    .option(
      '--role <LIST>',
      'what this process does: all, worker, api (all: the API where "http" is set)',
      'all',
    )
    .addOption(
      new Option(
        '--log <FORMAT>',
        'format of the log (default: text on a terminal, else json)',
      ).choices(['text', 'json']),
    )
    .option('--wait <DURATION>', 'how long to wait for PostgreSQL (default: 5m)', waitDuration)
    .option(
      '--rate <N>',
      'run the clock of a test database: N of its seconds in a second',
      whole(1, 100_000),
    )
    .action(async (options: Options) => {
      const roles = readRoles(options.role);
      const ending = heedSignals({ graceMs: endMs });
      const heedHangup = () => void (process.stdin.isTTY && process.kill(process.pid, 'SIGTERM'));
      // A service without a terminal was started to stay: nohup, cron, a closed ssh session.
      process.on('SIGHUP', heedHangup);
      try {
        await run(open, options, roles, ending.signal);
      } finally {
        process.off('SIGHUP', heedHangup);
        ending.forget();
      }
    });
}

async function run(
  open: OpenBooks,
  options: Options,
  roles: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const format = options.log ?? (process.stdout.isTTY && options.json !== true ? 'text' : 'json');
  let outage: Outage | undefined;
  const { logLevel } = readConfiguration(options);
  const log = openLog(logLevel, undefined, {
    format,
    takes: (...line) => outage?.takes(...line) ?? false,
  });
  const openWhenThere: OpenBooks = (config) =>
    untilReachable(() => open(config), { waitMs: options.wait ?? defaultWaitMs, signal, log });
  await withOpenBooks(openWhenThere, options, async (books) => {
    refuseDemo(books);
    endOnBugs(log);
    for (const exposed of books.config.exposed ?? []) log.warn({}, exposed);
    outage = watchOutage(books.url, log);
    const clock = await openTestClock(books, options.rate, log);
    try {
      await serve(books, log, rolesHere(roles, books), signal, options.rate);
    } finally {
      clock.stop();
      outage.stop();
    }
  });
}

/** PostgreSQL on a machine that starts at the same time recovers its log within minutes. */
const defaultWaitMs = 5 * minuteMs;

const longestWaitMs = 7 * dayMs;

function waitDuration(text: string): number {
  const ms = text === '0' ? 0 : readDurationMs(text);
  if (ms !== undefined && ms <= longestWaitMs) return ms;
  throw new InvalidArgumentError(
    `"${text}" is not a duration of at most 7d; expected 0, or one like 30s or 5m`,
  );
}

const known = ['all', 'worker', 'api'];

/** @throws UsageFault for what is no role */
function readRoles(list: string): readonly string[] {
  const named = list.split(',').map((role) => role.trim());
  const unknown = named.find((role) => !known.includes(role));
  if (unknown === undefined) return named;
  throw new UsageFault('bad_role', `--role: "${unknown}" is none of ${known.join(', ')}`);
}

interface Roles {
  readonly worker: boolean;
  readonly api: boolean;
}

/** `all` has an API where the configuration says where: two services on one machine can't share it. */
function rolesHere(named: readonly string[], { config }: OpenedBooks): Roles {
  const all = named.includes('all');
  return {
    worker: all || named.includes('worker'),
    api: named.includes('api') || (all && config.file.http !== undefined),
  };
}

/** A demo's customers are made up, and its clock runs at 3,600×. */
function refuseDemo({ installation, url, config }: OpenedBooks): void {
  if (installation.madeBy !== 'demo') return;
  const place =
    config.database === 'embedded' ? `data folder ${config.dataDir}` : `database ${placeOf(url)}`;
  throw new UsageFault(
    'made_by_demo',
    `${place}: was made by "perennial demo", with a book that is made up; name another one for your own`,
  );
}

/** What nobody caught is a bug: nothing is known of the state any more, so a new process is. */
function endOnBugs(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught error: this process ends');
    process.exit(1);
  });
}

async function serve(
  books: OpenedBooks,
  log: Log,
  roles: Roles,
  ending: AbortSignal,
  rate?: number,
): Promise<void> {
  if (ending.aborted) return;
  const sentinel = await startSentinel(books.db, log);
  try {
    const { readiness, isClockRight } = sentinel;
    await serveUntil({ ...books, readiness: [readiness], isClockRight }, log, roles, ending, rate);
  } finally {
    await sentinel.stop();
  }
  log.info({}, 'ended');
}

async function serveUntil(
  books: OpenedBooks & Pick<ApiBooks, 'readiness'> & Pick<ServiceBooks, 'isClockRight'>,
  log: Log,
  roles: Roles,
  ending: AbortSignal,
  rate?: number,
): Promise<void> {
  const api = roles.api ? await startApiOr(books, log, roles.worker) : undefined;
  const service = roles.worker ? await startWorkersOr(books, log, api, rate) : undefined;
  log.info(
    {
      workers: service?.workers ?? [],
      ...(api === undefined ? {} : { api: api.address }),
      database: placeOf(books.url),
    },
    'ready',
  );
  if (!ending.aborted) await once(ending, 'abort');
  log.info({ signal: ending.reason }, 'ending: the batches in hand end, nothing new starts');
  await Promise.all([api?.stop(), service?.stop()]);
}

/** A second replica on this host has workers, but the port belongs to the first one. */
async function startApiOr(books: ApiBooks, log: Log, hasWorkers: boolean) {
  return startApi(books, log).catch((error: unknown) => {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    if (code !== 'EADDRINUSE' || !hasWorkers) throw error;
    const { message } = error as Error;
    log.error(
      { code: 'no_listen' },
      `${message}; the workers continue without the API. For a second replica on this host, set http.port: 0`,
    );
    return undefined;
  });
}

async function startWorkersOr(
  books: ServiceBooks,
  log: Log,
  api: Api | undefined,
  rate: number | undefined,
) {
  return startWorkers(books, log, atRate(rate)).catch(async (error: unknown) => {
    await api?.stop();
    throw rightsFault(books.url, error) ?? error;
  });
}
