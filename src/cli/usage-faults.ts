import type { Command } from 'commander';

// The errors of commander in the form of all other errors: `"value" is not a …; expected …`.

/** The command that a command line names, as far as its words match. */
export function findCommand(program: Command, argv: readonly string[]): Command {
  let command = program;
  for (const word of argv) {
    const inner = command.commands.find((each) => each.name() === word);
    if (inner === undefined) return command;
    command = inner;
  }
  return command;
}

/**
 * The names of a command and of its parents, without the name of the program: `customer top-up`.
 */
export function toCommandPath(command: Command): string {
  const names: string[] = [];
  for (let each = command; each.parent !== null; each = each.parent) names.unshift(each.name());
  return names.join(' ');
}

/** `perennial customer top-up` */
const toLine = (command: Command): string => `perennial ${toCommandPath(command)}`.trim();

/** `perennial customer top-up --help` */
export const toHelpCommand = (command: Command): string => `${toLine(command)} --help`;

/** Suggestions of commander after a message: `(Did you mean one of list, show?)`. */
const suggestion = String.raw`(?:\n\(Did you mean (?:one of )?(.+)\?\))?$`;

type Describe = (command: Command, value: string, suggested: string | undefined) => string;

const sentences: readonly (readonly [pattern: RegExp, describe: Describe])[] = [
  [/^missing required argument '(.+)'$/, (_, place) => `${place}: is missing; expected a value`],
  [/^option '(.+)' argument missing$/, (_, flags) => `${flags}: has no value; expected a value`],
  [/^required option '(.+)' not specified$/, (_, flags) => `${flags}: is missing; it is required`],
  [
    new RegExp(`^unknown option '(.+)'${suggestion}`),
    (command, value, suggested) =>
      `"${value}" is not an option of "${toLine(command)}"${suggested === undefined ? '' : `; expected ${suggested}`}`,
  ],
  [
    new RegExp(`^unknown command '(.+)'${suggestion}`),
    (command, value, suggested) =>
      `"${value}" is not a command of "${toLine(command)}"; ${suggested === undefined ? `available: ${listNames(command)}` : `expected ${suggested}`}`,
  ],
  [
    /^too many arguments.*Expected (\d+) arguments? but got (\d+)/,
    (command, expected, got) =>
      `"${toLine(command)}": ${got} arguments are too many; expected ${expected}`,
  ],
];

const listNames = (command: Command): string =>
  command.commands.map((inner) => inner.name()).join(', ');

/** @param message of commander, without the prefix `error: ` */
export function describeUsageError(command: Command, message: string): string {
  for (const [pattern, describe] of sentences) {
    const match = pattern.exec(message);
    if (match !== null) return describe(command, match[1] ?? '', match[2]);
  }
  return message;
}
