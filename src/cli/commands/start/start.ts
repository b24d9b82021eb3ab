import { once } from 'node:events';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { describeDatabase } from '../../../db/database-url.ts';
import { type OutageWatch, watchOutage } from '../../../db/outage.ts';
import { createRightsFault } from '../../../db/preflight.ts';
import { type ApiDatabase, type RunningApi, startApi } from '../../../http/listen.ts';
import { UsageFault } from '../../../kernel/faults.ts';
import { dayMs, minuteMs, secondMs, tryParseDurationMs } from '../../../kernel/instant.ts';
import { type Log, openLog } from '../../../logging/log.ts';
import { startSentinel } from '../../../runs/clock/sentinel.ts';
import { type ServiceDatabase, startService } from '../../../service.ts';
import { openVirtualClock, scaleIntervals } from '../../../virtual-clock.ts';
import { createWholeParser } from '../../arguments.ts';
import {
  buildCommand,
  type CommandDatabase,
  type CommonOptions,
  type DatabaseOpener,
  withOpenDatabase,
} from '../../command.ts';
import { readConfiguration } from '../../configuration.ts';
import { watchSignals } from '../../shutdown.ts';
import { retryUntilReachable } from './database-wait.ts';

// `perennial start`: the service. On SIGTERM or SIGINT the current batches end and no new work
// starts. Another replica or the next start continues.

interface Options extends CommonOptions {
  readonly role: string;
  readonly log?: 'json' | 'text';
  readonly rate?: number;
  readonly wait?: number;
}

/** Operators expect an exit within 10 s. The database rolls back a transaction that still runs. */
const shutdownMs = 8 * secondMs;

export function buildStartCommand(open: DatabaseOpener): Command {
  return buildCommand('start')
    .option(
      '--role <LIST>',
      'run these tasks: worker, api, or all (the API only if "http" or "ui" is set)',
      'all',
    )
    .addOption(
      new Option(
        '--log <FORMAT>',
        'write the log in this format [text on a terminal, else json]',
      ).choices(['text', 'json']),
    )
    .option(
      '--wait <DURATION>',
      'wait this time for PostgreSQL; 0 does not wait [5m]',
      parseWaitDuration,
    )
    .option(
      '--rate <N>',
      'move the clock of a test database N seconds per second [it stands still]',
      createWholeParser(1, 100_000),
    )
    .action(async (options: Options) => {
      const roles = parseRoles(options.role);
      const shutdown = watchSignals({ graceMs: shutdownMs });
      const onHangup = () => void (process.stdin.isTTY && process.kill(process.pid, 'SIGTERM'));
      // A service without a terminal is detached and continues: nohup, cron, a closed ssh session.
      process.on('SIGHUP', onHangup);
      try {
        await runService(open, options, roles, shutdown.signal);
      } finally {
        process.off('SIGHUP', onHangup);
        shutdown.stop();
      }
    });
}

async function runService(
  open: DatabaseOpener,
  options: Options,
  roles: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const format = options.log ?? (process.stdout.isTTY && options.json !== true ? 'text' : 'json');
  let outage: OutageWatch | undefined;
  const { logLevel } = readConfiguration(options);
  const log = openLog(logLevel, undefined, {
    format,
    capture: (...line) => outage?.capture(...line) ?? false,
  });
  const openWhenReachable: DatabaseOpener = (config) =>
    retryUntilReachable(() => open(config), { waitMs: options.wait ?? defaultWaitMs, signal, log });
  await withOpenDatabase(openWhenReachable, options, async (database) => {
    requireNoDemo(database);
    exitOnUncaughtError(log);
    for (const exposed of database.config.exposed ?? []) log.warn({}, exposed);
    outage = watchOutage(database.url, log);
    const clock = await openVirtualClock(database, options.rate, log);
    try {
      await serve(database, log, chooseRoles(roles, database), signal, options.rate);
    } finally {
      clock.stop();
      outage.stop();
    }
  });
}

/** PostgreSQL on a machine that starts at the same time recovers its log within minutes. */
const defaultWaitMs = 5 * minuteMs;

const longestWaitMs = 7 * dayMs;

function parseWaitDuration(text: string): number {
  const ms = text === '0' ? 0 : tryParseDurationMs(text);
  if (ms !== undefined && ms <= longestWaitMs) return ms;
  throw new InvalidArgumentError(
    `"${text}" is not a duration of at most 7d; expected 0, or one like 30s or 5m`,
  );
}

const knownRoles = ['all', 'worker', 'api'];

/** @throws UsageFault `bad_role` */
function parseRoles(list: string): readonly string[] {
  const roleNames = list.split(',').map((role) => role.trim());
  const unknown = roleNames.find((role) => !knownRoles.includes(role));
  if (unknown === undefined) return roleNames;
  throw new UsageFault(
    'bad_role',
    `--role: "${unknown}" is not a role; available: ${knownRoles.join(', ')}`,
  );
}

interface ServiceRoles {
  readonly worker: boolean;
  readonly api: boolean;
}

/**
 * `all` includes the API only if `http` or `ui` is set, because two services cannot share one port.
 */
function chooseRoles(roleNames: readonly string[], { config }: CommandDatabase): ServiceRoles {
  const all = roleNames.includes('all');
  return {
    worker: all || roleNames.includes('worker'),
    api:
      roleNames.includes('api') ||
      (all && (config.file.http !== undefined || config.file.ui !== undefined)),
  };
}

/** A demo has generated customers, and its clock runs at up to 3,600 times real time. */
function requireNoDemo({ installation, url, config }: CommandDatabase): void {
  if (installation.madeBy !== 'demo') return;
  const place =
    config.database === 'embedded'
      ? `data folder ${config.dataDir}`
      : `database ${describeDatabase(url)}`;
  throw new UsageFault(
    'made_by_demo',
    `${place}: was made by "perennial demo" and contains generated customers; expected another database`,
  );
}

/** An uncaught error is a bug. The state of the process is unknown, so the process exits. */
function exitOnUncaughtError(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught error: process exits');
    process.exit(1);
  });
}

async function serve(
  database: CommandDatabase,
  log: Log,
  roles: ServiceRoles,
  shutdown: AbortSignal,
  rate?: number,
): Promise<void> {
  if (shutdown.aborted) return;
  const sentinel = await startSentinel(database.db, log);
  try {
    const { readiness, isClockRight } = sentinel;
    await serveUntil(
      { ...database, readiness: [readiness], isClockRight },
      log,
      roles,
      shutdown,
      rate,
    );
  } finally {
    await sentinel.stop();
  }
  log.info({}, 'ended');
}

async function serveUntil(
  database: CommandDatabase &
    Pick<ApiDatabase, 'readiness'> &
    Pick<ServiceDatabase, 'isClockRight'>,
  log: Log,
  roles: ServiceRoles,
  shutdown: AbortSignal,
  rate?: number,
): Promise<void> {
  const api = roles.api ? await tryStartApi(database, log, roles.worker) : undefined;
  const service = roles.worker ? await startWorkersOrStopApi(database, log, api, rate) : undefined;
  log.info(
    {
      workers: service?.workers ?? [],
      ...(api === undefined ? {} : { api: api.address }),
      database: describeDatabase(database.url),
    },
    'ready',
  );
  if (!shutdown.aborted) await once(shutdown, 'abort');
  log.info({ signal: shutdown.reason }, 'shutdown: current batches end, no new work starts');
  await Promise.all([api?.stop(), service?.stop()]);
}

/** A second replica on this host runs workers, but the port belongs to the first one. */
async function tryStartApi(database: ApiDatabase, log: Log, hasWorkers: boolean) {
  return startApi(database, log).catch((error: unknown) => {
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

async function startWorkersOrStopApi(
  database: ServiceDatabase,
  log: Log,
  api: RunningApi | undefined,
  rate: number | undefined,
) {
  return startService(database, log, scaleIntervals(rate)).catch(async (error: unknown) => {
    await api?.stop();
    throw createRightsFault(database.url, error) ?? error;
  });
}
