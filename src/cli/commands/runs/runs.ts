import { Command, Option } from 'commander';
import { readClock } from '../../../db/clock.ts';
import type { RunOutcome } from '../../../db/schema.ts';
import { formatCount } from '../../../kernel/count.ts';
import { type Instant, isoTime } from '../../../kernel/instant.ts';
import {
  listRuns,
  type RunEffects,
  readHeldCount,
  readRunEffects,
  runOutcomes,
} from '../../../runs/run-list.ts';
import { type RunRow, toRunJson } from '../../../runs/run-record.ts';
import { workerNames } from '../../../runs/worker-names.ts';
import {
  createWholeParser,
  createWorkerParser,
  omitUndefined,
  parseRowId,
  parseTime,
} from '../../arguments.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';
import { formatAge, formatMinute, formatSpan } from '../../output/time-text.ts';

/** `perennial runs list|show`: the records of runs, and what a run did. */
export function buildRunsCommand(open: DatabaseOpener): Command {
  return new Command('runs').addCommand(buildListCommand(open)).addCommand(buildShowCommand(open));
}

const parseWorker = createWorkerParser(workerNames);

interface ListOptions extends CommonOptions {
  readonly worker?: string;
  readonly outcome?: RunOutcome;
  readonly since?: Instant;
  readonly before?: bigint;
  readonly rows: number;
}

function buildListCommand(open: DatabaseOpener): Command {
  return buildCommand('list', 'list runs with work, the newest first, one page at a time')
    .option('--worker <WORKER>', 'list only runs of this worker [all]', parseWorker)
    .addOption(
      new Option('--outcome <OUTCOME>', 'list only this outcome [all]').choices(runOutcomes),
    )
    .option('--since <ISO>', 'list runs that started at this time or later [30 days]', parseTime)
    .option('--before <ID>', 'list ids below this one, for the next page [newest]', parseRowId)
    .option('--rows <N>', 'list at most N runs', createWholeParser(1, 10_000), 20)
    .action((options: ListOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const { worker, outcome, since, before, rows: max } = options;
        const filter = omitUndefined({ worker, outcome, since, before });
        const found = await listRuns(db, filter, max + 1);
        const runs = found.slice(0, max);
        const next = found.length > max ? (runs.at(-1)?.id ?? null) : null;
        const now = await readClock(db);
        const json = { runs: runs.map(toRunJson), next };
        printResult(options, json, () => formatList(runs, next, now));
      }),
    );
}

function formatList(runs: readonly RunRow[], next: bigint | null, now: Instant): string {
  if (runs.length === 0) return 'no runs; a run without work leaves no record';
  const table = formatTable(
    [
      [
        'ID',
        'WORKER',
        'START',
        'DURATION',
        'OUTCOME',
        'ITEMS',
        'CHANGES',
        'FAILURES',
        'HELD ITEMS',
      ],
      ...runs.map((run) => [
        String(run.id),
        run.worker,
        formatAge(run.started_at, now),
        formatDuration(run),
        run.outcome,
        run.examined.toLocaleString('en'),
        run.changed.toLocaleString('en'),
        run.failed.toLocaleString('en'),
        readHeldCount(run).toLocaleString('en'),
      ]),
    ],
    [5, 6, 7, 8],
  );
  const scope = `at ${formatMinute(isoTime(now))}`;
  return [table, next === null ? scope : `${scope}; next page: --before ${next}`].join('\n');
}

const formatDuration = ({ started_at, finished_at }: RunRow): string =>
  finished_at === null ? '-' : formatSpan(finished_at - started_at);

function buildShowCommand(open: DatabaseOpener): Command {
  return buildCommand('show', 'print the record of a run, and what the run did')
    .argument('<ID>', 'show the run with this id, as "runs list" prints it', parseRowId)
    .option('--rows <N>', 'print at most N changes and items', createWholeParser(0, 10_000), 20)
    .action((id: bigint, options: CommonOptions & { readonly rows: number }) =>
      withDatabase(open, options, async ({ db }) => {
        const effects = await readRunEffects(db, id, options.rows);
        printResult(options, toEffectsJson(effects), () => formatEffects(effects));
      }),
    );
}

function toEffectsJson({ run, events, ...effects }: RunEffects) {
  return {
    ...toRunJson(run),
    ...effects,
    events: events.map((row) => ({ ...row, at: isoTime(row.at) })),
  };
}

function formatEffects({ run, ...effects }: RunEffects): string {
  const ended = run.finished_at === null ? 'in progress' : `took ${formatDuration(run)}`;
  const head = [
    `run ${run.id}: ${run.worker}, ${run.outcome}, ${formatMinute(isoTime(run.started_at))}, ${ended}`,
    `replica ${run.replica}`,
    `examined ${run.examined.toLocaleString('en')}, changed ${run.changed.toLocaleString('en')}, failed ${run.failed.toLocaleString('en')}, held ${readHeldCount(run).toLocaleString('en')}`,
  ];
  const { overlapping } = effects;
  const shared =
    overlapping.length === 0
      ? []
      : [
          `other runs of this worker at the same time: ${overlapping.join(', ')}; the changes may belong to them`,
        ];
  return [
    ...head,
    ...formatBlock(
      'detail',
      Object.entries(run.detail).map(([name, value]) => [name, formatValue(value)]),
    ),
    ...formatBlock(
      'changes during the run',
      effects.actions.map(({ action, events }) => [action, events.toLocaleString('en')]),
    ),
    ...formatBlock(
      'money',
      effects.charges.map((row) => [
        row.kind,
        formatCount(row.entries, 'entry', 'entries'),
        `${row.amount} ${row.currency}`,
      ]),
    ),
    ...formatBlock(
      'notifications',
      effects.notices.map(({ kind, notices }) => [kind, notices.toLocaleString('en')]),
    ),
    ...formatBlock(
      `new in quarantine: ${formatCount(effects.quarantined_total, 'item')}`,
      effects.quarantined.map(({ item, reason }) => [item, reason]),
    ),
    ...formatBlock('first changes', effects.events.map(formatEvent)),
    ...shared,
  ].join('\n');
}

const formatEvent = (row: RunEffects['events'][number]): string[] => [
  row.telegram_id === null ? '-' : `customer ${row.telegram_id}`,
  row.subject,
  row.action,
  formatMinute(isoTime(row.at)),
];

function formatBlock(title: string, rows: readonly string[][]): string[] {
  return rows.length === 0 ? [] : [title, formatTable(rows.map((row) => [' ', ...row]))];
}

const formatValue = (value: unknown): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value);
