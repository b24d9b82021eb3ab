import type { Command } from 'commander';
import { listNamedNodes } from '../../../catalog/nodes.ts';
import { formatCount } from '../../../kernel/count.ts';
import { stopwatch } from '../../../kernel/stopwatch.ts';
import { openReplica } from '../../../leases/replica.ts';
import type {
  Comparison,
  ComparisonOutcome,
} from '../../../workers/reconcile-xray-state/compare-node.ts';
import { compareNodes, describeDrift } from '../../../workers/reconcile-xray-state/preview.ts';
import { reconcile } from '../../../workers/reconcile-xray-state/worker.ts';
import { connectNode } from '../../../xray/grpc/client.ts';
import {
  buildCommand,
  type CommandDatabase,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { ProgressLine } from '../../output/progress.ts';
import { watchSignals } from '../../shutdown.ts';

interface Options extends CommonOptions {
  readonly dryRun?: boolean;
  readonly confirm?: boolean;
}

/** `perennial node reconcile`: compares nodes now, also if no comparison is due. */
export function buildNodeReconcileCommand(open: DatabaseOpener): Command {
  return buildCommand('reconcile', 'compare nodes with the database now, and mark the differences')
    .argument('[ID]', 'compare only this node [all]')
    .option('--dry-run', 'list the differences that would be marked; change nothing [mark them]')
    .option(
      '--confirm',
      'mark also removals that the guard holds, and remove unknown users of ours [held]',
    )
    .addHelpText('after', '\nExit code 1 if a node could not be compared.')
    .action((id: string | undefined, options: Options) =>
      withDatabase(open, options, async (database) => {
        await listNamedNodes(database.db, id);
        const results = await runComparison(database, id ?? 'all', options);
        printResult(options, results.map(toResultJson), () =>
          results.length === 0
            ? 'no nodes; add them with "perennial apply FILE"'
            : results.map((end) => formatResult(end, options)).join('\n'),
        );
        if (results.some(({ is }) => is !== 'compared')) process.exitCode = 1;
      }),
    );
}

async function runComparison(
  { db, url }: CommandDatabase,
  target: string,
  options: Options,
): Promise<readonly ComparisonOutcome[]> {
  const shutdown = watchSignals();
  const { signal } = shutdown;
  const replica = openReplica(url);
  const progress = new ProgressLine();
  const onUsers = (users: number) =>
    progress.show(() => `${formatCount(users, 'user')} of a node read`);
  try {
    if (options.dryRun === true) {
      return await compareNodes({ db, url, signal, onUsers }, connectNode, target);
    }
    const results: ComparisonOutcome[] = [];
    const row = await reconcile(
      {
        db,
        replica,
        batchMax: 1_000,
        budgetMs: Number.POSITIVE_INFINITY,
        signal,
        elapsedMs: stopwatch(),
        confirmed: options.confirm ?? false,
        nodeFilter: target,
        log: { warn: () => undefined, error: () => undefined },
        onNode: (end) => results.push(end),
        onUsers,
        actor: 'cli',
      },
      connectNode,
    );
    if (row.outcome === 'failed' || row.outcome === 'skipped') {
      process.stderr.write(`node reconcile: ${row.detail.error ?? row.detail.reason}\n`);
      process.exitCode = 1;
    }
    return results.sort((a, b) => a.node.localeCompare(b.node));
  } finally {
    progress.end();
    shutdown.stop();
    await replica.close();
  }
}

function toResultJson(end: ComparisonOutcome) {
  switch (end.is) {
    case 'failed':
      return { node: end.node, outcome: 'failed', code: end.fault.code, error: end.fault.message };
    case 'left':
      return { node: end.node, outcome: 'left', error: end.reason };
    case 'compared': {
      const { users, ours, foreign, kinds, marked, newlyMarked, newlyConfirmed, held, sample } =
        end.comparison;
      const counts = { users, ours, foreign, ...kinds, already_marked: marked, held };
      return {
        node: end.node,
        outcome: 'compared',
        ...counts,
        marked: newlyMarked,
        confirmed: newlyConfirmed,
        sample: sample.map((drift) => ({ kind: drift.kind, sentence: describeDrift(drift) })),
      };
    }
  }
}

function formatResult(end: ComparisonOutcome, options: Options): string {
  switch (end.is) {
    case 'failed':
      return `${end.node}: could not be compared: ${end.fault.message}`;
    case 'left':
      return `${end.node}: was not compared: ${end.reason}`;
    case 'compared':
      return formatComparison(end.node, end.comparison, options);
  }
}

/** Each kind of difference with a sample, then the marks. */
function formatComparison(node: string, comparison: Comparison, { dryRun }: Options): string {
  const { kinds, sample, ours, foreign, newlyMarked, newlyConfirmed, held } = comparison;
  const lines = [
    `${node}: ${formatCount(ours, 'user')} of ours, ${foreign.toLocaleString('en')} foreign`,
  ];
  for (const [kind, count] of Object.entries(kinds)) {
    if (count === 0) continue;
    lines.push(`  ${kind}: ${count.toLocaleString('en')}`);
    for (const drift of sample) if (drift.kind === kind) lines.push(`    ${describeDrift(drift)}`);
  }
  const differs = Object.values(kinds).some((count) => count > 0);
  if (!differs) lines.push('  equal to the database');
  else if (dryRun === true)
    lines.push('  dry run: nothing was marked; a run would mark these differences');
  else lines.push(`  marked now: ${newlyMarked.toLocaleString('en')}`);
  if (held > 0) {
    lines.push(
      `  held: ${formatCount(held, 'removal')} at once; check them, then pass --confirm to mark them`,
    );
  }
  if (newlyConfirmed > 0)
    lines.push(`  confirmed, to be removed: ${newlyConfirmed.toLocaleString('en')}`);
  else if (kinds.unknown > 0) {
    lines.push(
      '  unknown: not removed; make sure that this is the right database, then pass --confirm to remove them',
    );
  }
  if (kinds.conflict > 0) {
    lines.push(
      `  conflict: not changed; take a name over with "perennial node adopt ${node} NAME"`,
    );
  }
  return lines.join('\n');
}
