import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { faultOf } from '../db/faults.ts';
import { type Fault, UsageFault } from '../kernel/faults.ts';
import { terminalText } from '../kernel/foreign-text.ts';
import { maskSecrets } from '../kernel/secrets.ts';
import { programVersion } from '../version.ts';
import { applyCommand } from './apply.ts';
import { auditCommand } from './audit.ts';
import { backupCommand, restoreCommand } from './backup.ts';
import { clockCommand } from './clock.ts';
import { customerCommand } from './customer.ts';
import { dbCommand } from './db.ts';
import { demoCommand } from './demo.ts';
import { exportCommand } from './export.ts';
import { importCommand } from './import.ts';
import { migrateCommand } from './migrate.ts';
import { nodeCommand } from './node.ts';
import { noticeCommand } from './notice.ts';
import { openBooksFor, openBooksForService } from './open-books.ts';
import { checkOptions } from './option-rules.ts';
import { planCommand } from './plan.ts';
import { runCommand } from './run.ts';
import { Interrupted } from './signals.ts';
import { startCommand } from './start.ts';
import { tokenCommand } from './token.ts';

/** Success; what was asked failed; wrong usage or configuration; SIGINT; SIGTERM. */
export type ExitCode = 0 | 1 | 2 | 130 | 143;

/** The whole program. */
export function program(): Command {
  const perennial = new Command('perennial')
    .description(
      'Renews subscriptions from a prepaid balance, and proves that the books are right.',
    )
    .version(programVersion)
    .addCommand(demoCommand())
    .addCommand(startCommand(openBooksForService))
    .addCommand(migrateCommand())
    .addCommand(applyCommand(openBooksFor))
    .addCommand(planCommand(openBooksFor))
    .addCommand(nodeCommand(openBooksFor))
    .addCommand(importCommand(openBooksFor))
    .addCommand(exportCommand(openBooksFor))
    .addCommand(backupCommand(openBooksFor))
    .addCommand(restoreCommand())
    .addCommand(dbCommand())
    .addCommand(runCommand(openBooksFor))
    .addCommand(customerCommand(openBooksFor))
    .addCommand(noticeCommand(openBooksFor))
    .addCommand(clockCommand(openBooksFor))
    .addCommand(auditCommand(openBooksFor))
    .addCommand(tokenCommand(openBooksFor));
  perennial.hook('preAction', (_, command) => checkOptions(command));
  return throughout(perennial);
}

/** Errors come to us instead of ending the process, for every command there is. */
function throughout(root: Command): Command {
  root
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows what there is)')
    .configureOutput({
      outputError: (text, write) => write(maskSecrets(text.replace(/^error: /, 'perennial: '))),
    });
  for (const inner of root.commands) throughout(inner);
  return root;
}

/** What a command threw; undefined for what commander has said already. */
function faultOfCommand(error: unknown): Fault | undefined {
  // An argument that is read by the command itself, once it knows what it is for.
  if (error instanceof InvalidArgumentError) return new UsageFault('bad_argument', error.message);
  return error instanceof CommanderError ? undefined : faultOf(error);
}

/**
 * Runs one command line. What is wrong is said in one sentence on standard error; a stack only for
 * a bug of ours.
 */
export async function runProgram(argv: readonly string[]): Promise<ExitCode> {
  try {
    await program().parseAsync(argv, { from: 'user' });
    return process.exitCode === 1 ? 1 : 0;
  } catch (error) {
    const fault = faultOfCommand(error);
    if (fault === undefined) return (error as CommanderError).exitCode === 0 ? 0 : 2;
    const asJson = argv.includes('--json');
    process.stderr.write(
      asJson
        ? `${JSON.stringify({ error: { code: fault.code, message: maskSecrets(fault.message) } })}\n`
        : `perennial: ${terminalText(maskSecrets(fault.message))}\n`,
    );
    if (fault.kind === 'bug') process.stderr.write(`${maskSecrets(fault.stack ?? '')}\n`);
    if (fault instanceof Interrupted) return fault.exitCode;
    return fault instanceof UsageFault ? 2 : 1;
  }
}
