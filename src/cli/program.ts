import { Command, CommanderError, InvalidArgumentError, type Option } from 'commander';
import { toFault } from '../db/faults.ts';
import { type Fault, UsageFault } from '../kernel/faults.ts';
import { terminalText } from '../kernel/foreign-text.ts';
import { maskSecrets } from '../kernel/secrets.ts';
import { programVersion } from '../version.ts';
import { checkOptions } from './option-rules.ts';
import { InterruptedFault } from './shutdown.ts';
import { describeUsageError, findCommand, toHelpCommand } from './usage-faults.ts';
import { checkValues } from './value-places.ts';

/** 0 success, 1 the command failed, 2 wrong usage or configuration, 130 SIGINT, 143 SIGTERM. */
export type ExitCode = 0 | 1 | 2 | 130 | 143;

/** A top-level command. Its code is loaded only if the command line names it. */
interface CommandEntry {
  /** Name and arguments, like `apply <FILE>`. */
  readonly usage: string;
  readonly description: string;
  load(): Promise<Command>;
}

const loadOpener = async () => (await import('./open-database.ts')).openForCommand;

const entries: readonly CommandEntry[] = [
  {
    usage: 'demo',
    description: 'run all workers on generated data with a fast clock, until Ctrl-C',
    load: async () => (await import('./commands/demo/demo.ts')).buildDemoCommand(),
  },
  {
    usage: 'start',
    description: 'run the service: workers and API, until SIGTERM or SIGINT',
    load: async () => {
      const { openForService } = await import('./open-database.ts');
      return (await import('./commands/start/start.ts')).buildStartCommand(openForService);
    },
  },
  {
    usage: 'migrate',
    description: 'create the schema of the database, or update it',
    load: async () => (await import('./commands/db/migrate.ts')).buildMigrateCommand(),
  },
  {
    usage: 'apply <FILE>',
    description:
      'change plans, prices, settings and nodes to those of FILE; show the difference first',
    load: async () =>
      (await import('./commands/apply/apply.ts')).buildApplyCommand(await loadOpener()),
  },
  {
    usage: 'plan',
    description: 'list plans, set prices',
    load: async () =>
      (await import('./commands/plan/plan.ts')).buildPlanCommand(await loadOpener()),
  },
  {
    usage: 'node',
    description: 'list, check, compare, adopt and remove Xray nodes',
    load: async () =>
      (await import('./commands/node/node.ts')).buildNodeCommand(await loadOpener()),
  },
  {
    usage: 'import <FILE>',
    description: 'add customers and subscriptions from FILE, all or nothing',
    load: async () =>
      (await import('./commands/import/import.ts')).buildImportCommand(await loadOpener()),
  },
  {
    usage: 'export <FILE>',
    description: 'write customers and subscriptions to FILE, in the format of import',
    load: async () =>
      (await import('./commands/export/export.ts')).buildExportCommand(await loadOpener()),
  },
  {
    usage: 'backup <FILE>',
    description: 'write the whole database to FILE, while the service runs',
    load: async () =>
      (await import('./commands/db/backup.ts')).buildBackupCommand(await loadOpener()),
  },
  {
    usage: 'restore <FILE>',
    description: 'read a backup into an empty database, all or nothing',
    load: async () => (await import('./commands/db/backup.ts')).buildRestoreCommand(),
  },
  {
    usage: 'db',
    description: 'print the URL of the database for other tools',
    load: async () => (await import('./commands/db/db.ts')).buildDbCommand(),
  },
  {
    usage: 'run <worker>',
    description: 'run a worker once and print its record',
    load: async () => (await import('./commands/run/run.ts')).buildRunCommand(await loadOpener()),
  },
  {
    usage: 'runs',
    description: 'list runs of workers, show what a run did',
    load: async () =>
      (await import('./commands/runs/runs.ts')).buildRunsCommand(await loadOpener()),
  },
  {
    usage: 'quarantine',
    description: 'list, retry and dismiss items that failed because of their data',
    load: async () =>
      (await import('./commands/quarantine/quarantine.ts')).buildQuarantineCommand(
        await loadOpener(),
      ),
  },
  {
    usage: 'customer',
    description: 'show and change customers, their money and their subscriptions',
    load: async () =>
      (await import('./commands/customer/customer.ts')).buildCustomerCommand(await loadOpener()),
  },
  {
    usage: 'why <TG>',
    description: 'explain the charges, the access and the notifications of a customer',
    load: async () => (await import('./commands/why/why.ts')).buildWhyCommand(await loadOpener()),
  },
  {
    usage: 'subscription',
    description: 'list subscriptions of all customers',
    load: async () =>
      (await import('./commands/subscription/subscription.ts')).buildSubscriptionCommand(
        await loadOpener(),
      ),
  },
  {
    usage: 'grant',
    description: 'give free days to all customers that meet conditions',
    load: async () =>
      (await import('./commands/bulk/bulk.ts')).buildBulkGrantCommand(await loadOpener()),
  },
  {
    usage: 'auto-renew <on|off>',
    description: 'set auto-renewal of all customers that meet conditions',
    load: async () =>
      (await import('./commands/bulk/bulk.ts')).buildBulkAutoRenewCommand(await loadOpener()),
  },
  {
    usage: 'bulk',
    description: 'list, show, resume and cancel bulk jobs',
    load: async () =>
      (await import('./commands/bulk/bulk.ts')).buildBulkJobsCommand(await loadOpener()),
  },
  {
    usage: 'notice',
    description: 'preview, list, send, resend and cancel notifications',
    load: async () =>
      (await import('./commands/notice/notice.ts')).buildNoticeCommand(await loadOpener()),
  },
  {
    usage: 'clock',
    description: 'show the database time, confirm it, undo the effects of a wrong clock',
    load: async () =>
      (await import('./commands/clock/clock.ts')).buildClockCommand(await loadOpener()),
  },
  {
    usage: 'report',
    description: 'print the figures of a month, or its ledger or periods as CSV',
    load: async () =>
      (await import('./commands/report/report.ts')).buildReportCommand(await loadOpener()),
  },
  {
    usage: 'audit',
    description: 'check every promise in the database; change no data of customers',
    load: async () =>
      (await import('./commands/audit/audit.ts')).buildAuditCommand(await loadOpener()),
  },
  {
    usage: 'forecast',
    description: 'list the renewals, short balances and ends of the next days',
    load: async () =>
      (await import('./commands/forecast/forecast.ts')).buildForecastCommand(await loadOpener()),
  },
  {
    usage: 'token',
    description: 'create, list and revoke tokens of the HTTP API',
    load: async () =>
      (await import('./commands/token/token.ts')).buildTokenCommand(await loadOpener()),
  },
  {
    usage: 'ui',
    description: 'create links to the dashboard, list and end sessions',
    load: async () => (await import('./commands/ui/ui.ts')).buildUiCommand(await loadOpener()),
  },
];

const toName = ({ usage }: CommandEntry): string => usage.split(' ')[0] as string;

/** A command without its code, for the help of the program. */
function buildPlaceholder({ usage, description }: CommandEntry): Command {
  const [name, ...positional] = usage.split(' ');
  const result = new Command(name).description(description);
  for (const argument of positional) result.argument(argument);
  return result;
}

/** A command with its arguments, like the usage of its entry. */
const formatSubcommand = (command: Command): string =>
  [
    command.name(),
    ...command.registeredArguments.map((one) =>
      one.required ? `<${one.name()}>` : `[${one.name()}]`,
    ),
  ].join(' ');

/**
 * An option with its default in brackets. Its description has the brackets of a computed default.
 */
function describeOption({ description, argChoices, defaultValue, required }: Option): string {
  const choices = argChoices === undefined ? '' : `: ${argChoices.join(', ')}`;
  const [, text = description, bracket = ''] = /^(.*?)( \[[^\]]*\])$/.exec(description) ?? [];
  const initial = required && defaultValue !== undefined ? ` [${defaultValue}]` : bracket;
  return `${text}${choices}${initial}`;
}

/**
 * The program with the code of one command.
 * @param commandName undefined: with the code of all commands
 */
export async function buildProgram(commandName?: string): Promise<Command> {
  const perennial = new Command('perennial')
    .description(
      'renew subscriptions from a prepaid balance, and keep Xray nodes equal to the database',
    )
    .version(programVersion, '-V, --version', 'print the version');
  for (const entry of entries) {
    const isNamed = commandName === undefined || commandName === toName(entry);
    perennial.addCommand(
      isNamed ? (await entry.load()).description(entry.description) : buildPlaceholder(entry),
    );
  }
  perennial.hook('preAction', (_, command) => checkOptions(command));
  return configureErrors(perennial);
}

/**
 * Makes every command throw its errors instead of ending the process, and sets the style of help.
 */
function configureErrors(root: Command): Command {
  checkValues(root);
  root
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ subcommandTerm: formatSubcommand, optionDescription: describeOption })
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureOutput({ outputError: () => undefined });
  for (const inner of root.commands) configureErrors(inner);
  return root;
}

/** The fault of a command line; undefined after a help text. */
function toCommandFault(error: unknown, command: Command): Fault | undefined {
  // Thrown by a command that parses an argument later, because it needs the database for that.
  if (error instanceof InvalidArgumentError) return new UsageFault('bad_argument', error.message);
  if (!(error instanceof CommanderError)) return toFault(error);
  if (/^commander\.(help|version)/.test(error.code)) return undefined;
  // `commander.unknownOption` is `unknown_option`.
  const code = error.code.replace(/^\w+\./, '').replaceAll(/[A-Z]/g, '_$&');
  const sentence = describeUsageError(command, error.message.replace(/^error: /, ''));
  return new UsageFault(code.toLowerCase(), sentence, error);
}

/** The first word of a command line; empty if it names no command, as for the help. */
function parseCommandName(argv: readonly string[]): string {
  const [first = '', second = ''] = argv.filter((argument) => !argument.startsWith('-'));
  return first === 'help' ? second : first;
}

/** Runs one command line. An error is one sentence on stderr, with a stack only for a bug. */
export async function runProgram(argv: readonly string[]): Promise<ExitCode> {
  const program = await buildProgram(parseCommandName(argv));
  try {
    await program.parseAsync(argv, { from: 'user' });
    return process.exitCode === 1 ? 1 : 0;
  } catch (error) {
    const command = findCommand(program, argv);
    const fault = toCommandFault(error, command);
    if (fault === undefined) return (error as CommanderError).exitCode === 0 ? 0 : 2;
    const isJson = argv.includes('--json');
    const hint = fault.cause instanceof CommanderError ? `See "${toHelpCommand(command)}".\n` : '';
    process.stderr.write(
      isJson
        ? `${JSON.stringify({ error: { code: fault.code, message: maskSecrets(fault.message) } })}\n`
        : `perennial: ${terminalText(maskSecrets(fault.message))}\n${hint}`,
    );
    if (fault.kind === 'bug') process.stderr.write(`${maskSecrets(fault.stack ?? '')}\n`);
    if (fault instanceof InterruptedFault) return fault.exitCode;
    return fault instanceof UsageFault ? 2 : 1;
  }
}
