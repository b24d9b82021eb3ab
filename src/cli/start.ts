import { once } from 'node:events';
import type { Command } from 'commander';
import { startWorkers } from '../app.ts';
import { placeOf } from '../db/place.ts';
import { rightsFault } from '../db/reach.ts';
import { UsageFault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { type Log, openLog } from '../log.ts';
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
  return command('start', 'the service: runs the workers until SIGTERM or SIGINT')
    .option('--role <LIST>', 'what this process does: all, worker, api', 'all')
    .action(async (options: Options) => {
      checkRoles(options.role);
      const ending = heedSignals({ graceMs: endMs });
      try {
        await withBooks(open, options, async (books) => {
          refuseDemo(books);
          const log = openLog(books.config.logLevel);
          endOnBugs(log);
          await serve(books, log, ending.signal);
        });
      } finally {
        ending.forget();
      }
    });
}

const roles = ['all', 'worker', 'api'];

/** @throws UsageFault for what is no role, and for the one that is not there yet */
function checkRoles(list: string): void {
  const named = list.split(',').map((role) => role.trim());
  const unknown = named.find((role) => !roles.includes(role));
  if (unknown !== undefined) {
    throw new UsageFault('bad_role', `--role: "${unknown}" is none of ${roles.join(', ')}`);
  }
  if (named.includes('api')) {
    throw new UsageFault(
      'no_api_yet',
      '--role: api is not part of this version, it comes with the HTTP API; "worker" and "all" run the workers',
    );
  }
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

async function serve(books: OpenedBooks, log: Log, ending: AbortSignal): Promise<void> {
  if (ending.aborted) return;
  const service = await startWorkers(books, log).catch((error: unknown) => {
    throw rightsFault(books.url, error) ?? error;
  });
  log.info({ workers: service.workers, database: placeOf(books.url) }, 'ready');
  if (!ending.aborted) await once(ending, 'abort');
  log.info({ signal: ending.reason }, 'ending: the batches in hand end, nothing new starts');
  await service.stop();
  log.info({}, 'ended');
}
