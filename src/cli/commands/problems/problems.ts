import type { Command } from 'commander';
import { formatCount } from '../../../kernel/count.ts';
import type { CurrentProblem } from '../../../problems/problem.ts';
import { readProblems } from '../../../problems/store.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { formatMinute } from '../../output/time-text.ts';

/** `perennial problems`: what is wrong now, the worst first, and the remedies. */
export function buildProblemsCommand(open: DatabaseOpener): Command {
  return buildCommand('problems', 'list what is wrong now, the worst first, with remedies').action(
    (options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const problems = await readProblems(db);
        printResult(options, { problems }, () => formatProblems(problems));
      }),
  );
}

function formatProblems(problems: readonly CurrentProblem[]): string {
  if (problems.length === 0) return 'no problems';
  const title = `${formatCount(problems.length, 'problem')}, the worst first`;
  return [title, ...problems.map(formatProblem)].join('\n\n');
}

function formatProblem({ sentence, since, remedy, command }: CurrentProblem): string {
  return [
    sentence,
    ...(since === null ? [] : [`  since    ${formatMinute(since)}`]),
    `  remedy   ${remedy}`,
    ...(command === null ? [] : [`  command  ${command}`]),
  ].join('\n');
}
