import { once } from 'node:events';
import type { Command } from 'commander';
import { startWorkers } from '../app.ts';
import { placeOf } from '../db/place.ts';
import { rightsFault } from '../db/reach.ts';
import { type Api, type ApiBooks, startApi } from '../http/listen.ts';
import { UsageFault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { type Log, openLog } from '../log.ts';
import { startSentinel } from '../workers/clock-sentinel.ts';
import {
  type CommonOptions,
  command,
  type OpenBooks,
  type OpenedBooks,
  withBooks,
} from './frame.ts';
import { heedSignals } from './signals.ts';

// `perennial start`: the service. It ends by SIGTERM or SIGINT: the batch in hand ends, nothing
// new starts, and what is left waits for another replica or the next start.

interface Options extends CommonOptions {
  readonly role: string;
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
    .action(async (options: Options) => {
      const roles = readRoles(options.role);
      const ending = heedSignals({ graceMs: endMs });
      try {
        await withBooks(open, options, async (books) => {
          refuseDemo(books);
          const log = openLog(books.config.logLevel);
          endOnBugs(log);
          for (const exposed of books.config.exposed ?? []) log.warn({}, exposed);
          await serve(books, log, rolesHere(roles, books), ending.signal);
        });
      } finally {
        ending.forget();
      }
    });
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
): Promise<void> {
  if (ending.aborted) return;
  const sentinel = await startSentinel(books.db, log);
  try {
    await serveUntil({ ...books, readiness: [sentinel.readiness] }, log, roles, ending);
  } finally {
    await sentinel.stop();
  }
  log.info({}, 'ended');
}

async function serveUntil(
  books: OpenedBooks & Pick<ApiBooks, 'readiness'>,
  log: Log,
  roles: Roles,
  ending: AbortSignal,
): Promise<void> {
  const api = roles.api ? await startApi(books, log) : undefined;
  const service = roles.worker ? await startWorkersOr(books, log, api) : undefined;
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

async function startWorkersOr(books: OpenedBooks, log: Log, api: Api | undefined) {
  return startWorkers(books, log).catch(async (error: unknown) => {
    await api?.stop();
    throw rightsFault(books.url, error) ?? error;
  });
}
