import { Command, CommanderError, InvalidArgumentError, type Option } from 'commander';
import { toFault } from '../db/faults.ts';
import { type Fault, UsageFault } from '../kernel/faults.ts';
import { terminalText } from '../kernel/foreign-text.ts';
import { maskSecrets } from '../kernel/secrets.ts';
import { programVersion } from '../version.ts';
import { type CommandEntry, commandEntries, toCommandName } from './command-entries.ts';
import { checkOptions } from './option-rules.ts';
import { InterruptedFault } from './shutdown.ts';
import { describeUsageError, findCommand, toHelpCommand } from './usage-faults.ts';
import { checkValues } from './value-places.ts';

/** 0 success, 1 the command failed, 2 wrong usage or configuration, 130 SIGINT, 143 SIGTERM. */
export type ExitCode = 0 | 1 | 2 | 130 | 143;

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
  for (const entry of commandEntries) {
    const isNamed = commandName === undefined || commandName === toCommandName(entry);
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
