import { Command } from 'commander';
import { cancelBulkJob, listBulkJobs, readBulkJob } from '../../../bulk/job-store.ts';
import { createWholeParser, parseDays, parseOnOff, parseRowId } from '../../arguments.ts';
import {
  type BulkOptions,
  buildBulkCommand,
  formatFilter,
  formatJob,
  runJobHere,
} from '../../bulk-run.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';

// `perennial grant`, `perennial auto-renew` and `perennial bulk …`: changes of many customers.

export function buildBulkGrantCommand(open: DatabaseOpener): Command {
  const build = buildCommand('grant').requiredOption('--days <N>', 'give N days', parseDays);
  return buildBulkCommand<BulkOptions & { readonly days: number }>(open, build, ({ days }) => ({
    action: 'grant',
    days,
  }));
}

export function buildBulkAutoRenewCommand(open: DatabaseOpener): Command {
  const build = buildCommand('auto-renew <on|off>');
  return buildBulkCommand<BulkOptions>(open, build, (_, text = '') => ({
    action: 'auto_renew',
    isOn: parseOnOff(text),
  }));
}

export function buildBulkJobsCommand(open: DatabaseOpener): Command {
  return new Command('bulk')
    .addCommand(buildListCommand(open))
    .addCommand(
      addJobAction(open, 'show', 'show a bulk job with its progress', async (db, id, options) => {
        const job = await readBulkJob(db, id);
        printResult(options, job, () => formatJob(job));
      }),
    )
    .addCommand(addJobAction(open, 'resume', 'run a bulk job that was interrupted', runResumedJob))
    .addCommand(
      addJobAction(
        open,
        'cancel',
        'end a bulk job; announcements that were not sent are not sent',
        async (db, id, options) => {
          await cancelBulkJob(db, id, 'cli');
          const job = await readBulkJob(db, id);
          printResult(options, job, () => formatJob(job));
        },
      ),
    );
}

type JobAction = (
  db: Parameters<typeof readBulkJob>[0],
  id: bigint,
  options: CommonOptions,
  signal: AbortSignal,
) => Promise<void>;

/** A job that is over is printed. @throws Fault `no_job` */
const runResumedJob: JobAction = async (db, id, options, signal) => {
  await readBulkJob(db, id);
  await runJobHere(db, id, signal, options);
};

function addJobAction(
  open: DatabaseOpener,
  name: string,
  description: string,
  act: JobAction,
): Command {
  return buildCommand(name, description)
    .argument('<ID>', 'choose the bulk job with this id, as "bulk list" prints it', parseRowId)
    .action((id: bigint, options: CommonOptions) =>
      withDatabase(open, options, ({ db }, signal) => act(db, id, options, signal)),
    );
}

interface ListOptions extends CommonOptions {
  readonly rows: number;
  readonly before?: bigint;
}

function buildListCommand(open: DatabaseOpener): Command {
  return buildCommand('list', 'list bulk jobs, the newest first')
    .option('--rows <N>', 'list at most N jobs', createWholeParser(1, 10_000), 20)
    .option('--before <ID>', 'list ids below this one, for the next page [newest]', parseRowId)
    .action((options: ListOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const jobs = await listBulkJobs(db, { max: options.rows, before: options.before });
        printResult(options, { jobs }, () =>
          jobs.length === 0
            ? 'no bulk jobs'
            : formatTable([
                ['ID', 'ACTION', 'STATE', 'CUSTOMERS', 'PROGRESS', 'ACTOR', 'CREATION', 'FILTER'],
                ...jobs.map((job) => [
                  String(job.id),
                  job.action,
                  job.state,
                  String(job.total),
                  String(job.done + job.skipped + job.failed),
                  job.actor,
                  job.created_at,
                  formatFilter(job.filter),
                ]),
              ]),
        );
      }),
    );
}
