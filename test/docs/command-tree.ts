import type { Command } from 'commander';
import { program } from '../../src/cli/program.ts';

// The commands and options that `--help` lists, to compare with what the documents name.

export interface Leaf {
  /** `customer top-up` */
  readonly path: string;
  /** `--key`, without those that every command has. */
  readonly options: readonly string[];
}

const everywhere = ['--config', '--json', '--now', '--help'];

const optionsOf = (command: Command): string[] =>
  command.options.flatMap(({ long }) => (long === null || long === undefined ? [] : [long]));

function walk(command: Command, path: readonly string[]): Leaf[] {
  if (command.commands.length > 0) {
    return command.commands.flatMap((inner) => walk(inner, [...path, inner.name()]));
  }
  const options = optionsOf(command).filter((option) => !everywhere.includes(option));
  return [{ path: path.join(' '), options }];
}

const everyCommand = await program();

/** Every command that does something. */
export const leaves: readonly Leaf[] = walk(everyCommand, []);

const known = new Set([...everywhere, '--version', ...leaves.flatMap(({ options }) => options)]);

/** Whether some command has this option. */
export const isOption = (name: string): boolean => known.has(name);

/** What is wrong with `perennial <words>`; undefined: it is a command with options that it has. */
export function wrongWith(words: readonly string[]): string | undefined {
  let command = everyCommand;
  let rest = words;
  for (;;) {
    const [word] = rest;
    const inner = command.commands.find((one) => one.name() === word);
    if (inner === undefined) break;
    command = inner;
    rest = rest.slice(1);
  }
  if (command.commands.length > 0) {
    const [word = ''] = rest;
    return /^[a-z]/.test(word) ? `there is no command "${word}"` : undefined;
  }
  const there = [...optionsOf(command), '--help'];
  const named = rest.flatMap((word) => /^--[a-z][a-z-]*/.exec(word)?.[0] ?? []);
  const unknown = named.find((option) => !there.includes(option));
  return unknown && `"${command.name()}" has no ${unknown}`;
}

/** Command lines of the program in a text, split into words, up to what the shell takes. */
export function commandLinesOf(text: string): string[][] {
  const lines = text.matchAll(/(?:^|[\s($])(?:npx )?perennial ([a-z-][^|>#;&)\n]*)/gm);
  return [...lines].map(([, line]) => (line as string).trim().split(/\s+/));
}
