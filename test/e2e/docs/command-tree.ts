import type { Command } from 'commander';
import { buildProgram } from '../../../src/cli/program.ts';

// The commands and options that `--help` lists, to compare with what the documents name.

export interface LeafCommand {
  /** For example `customer top-up`. */
  readonly path: string;
  /** For example `--key`. The options of every command are not in the list. */
  readonly options: readonly string[];
}

const globalOptions = ['--config', '--json', '--now', '--help'];

const listOptions = (command: Command): string[] =>
  command.options.flatMap(({ long }) => (long === null || long === undefined ? [] : [long]));

function listLeafCommands(command: Command, path: readonly string[]): LeafCommand[] {
  if (command.commands.length > 0) {
    return command.commands.flatMap((inner) => listLeafCommands(inner, [...path, inner.name()]));
  }
  const options = listOptions(command).filter((option) => !globalOptions.includes(option));
  return [{ path: path.join(' '), options }];
}

const rootCommand = await buildProgram();

/** Every command without subcommands. */
export const leafCommands: readonly LeafCommand[] = listLeafCommands(rootCommand, []);

const knownOptions = new Set([
  ...globalOptions,
  '--version',
  ...leafCommands.flatMap(({ options }) => options),
]);

/** True if a command has this option. */
export const isOption = (name: string): boolean => knownOptions.has(name);

/** @returns the fault of `perennial <words>`; undefined if the command has these options */
export function findCommandFault(words: readonly string[]): string | undefined {
  let command = rootCommand;
  let rest = words;
  for (;;) {
    const [word] = rest;
    const inner = command.commands.find((candidate) => candidate.name() === word);
    if (inner === undefined) break;
    command = inner;
    rest = rest.slice(1);
  }
  if (command.commands.length > 0) {
    const [word = ''] = rest;
    return /^[a-z]/.test(word) ? `there is no command "${word}"` : undefined;
  }
  const available = [...listOptions(command), '--help'];
  const named = rest.flatMap((word) => /^--[a-z][a-z-]*/.exec(word)?.[0] ?? []);
  const unknown = named.find((option) => !available.includes(option));
  return unknown && `"${command.name()}" has no ${unknown}`;
}

/** Command lines of the program in a text, as words, up to the first operator of the shell. */
export function parseCommandLines(text: string): string[][] {
  const lines = text.matchAll(/(?:^|[\s($])(?:npx )?perennial ([a-z-][^|>#;&)\n]*)/gm);
  return [...lines].map(([, line]) => (line as string).trim().split(/\s+/));
}
