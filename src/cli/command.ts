import { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { setClock } from '../db/clock.ts';
import type { Db } from '../db/connect.ts';
import { terminalJson, terminalText } from '../kernel/foreign-text.ts';
import type { Instant } from '../kernel/instant.ts';
import { watchAfterBoot } from '../runs/clock/boot.ts';
import { updateHighMark } from '../runs/clock/repair.ts';
import { checked, parseOnOff, parseTelegramId, time } from './arguments.ts';
import { readConfiguration } from './configuration.ts';
import { InterruptedFault, runUntilSignal } from './shutdown.ts';

// What all commands share: the three options, opening the books and closing them, and printing
// either words for a person or JSON for a program.

/** Options that every command has. */
export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly now?: Instant;
}

/** Arguments that have one meaning in every command. */
const readers: Readonly<Record<string, (text: string) => unknown>> = {
  '<TG>': parseTelegramId,
  '<on|off>': parseOnOff,
};

/** A command with the common options. */
export function buildCommand(nameAndArguments: string, description: string): Command {
  const [name, ...positional] = nameAndArguments.split(' ');
  const result = new Command(name);
  for (const argument of positional) {
    const read = readers[argument];
    result.argument(argument, '', ...(read === undefined ? [] : [checked(read)]));
  }
  return result
    .description(description)
    .option(
      '--config <FILE>',
      'the configuration (default: $PERENNIAL_CONFIG, then ./perennial.yaml)',
    )
    .option('--json', 'print JSON')
    .option('--now <ISO>', 'set the stored clock of a test database first', time);
}

/** Open books, and where they are. */
export interface CommandDatabase {
  readonly config: Config;
  readonly db: Db;
  readonly url: string;
  /** Who these books are, whether they are a test, and what made them. */
  readonly installation: { readonly id: string; readonly test: boolean; readonly madeBy: string };
  /** Ends the connections, and the embedded server if this process started it. */
  close(): Promise<void>;
}

/** How books are opened; set once by `main.ts`, so that commands don't know of servers. */
export type DatabaseOpener = (config: Config) => Promise<CommandDatabase>;

/**
 * Opens the books, sets the clock if `--now` was given, does the work, and closes them again.
 * SIGINT and SIGTERM end it. @throws Interrupted that states what was changed
 */
export function withDatabase<T>(
  open: DatabaseOpener,
  options: CommonOptions,
  work: (database: CommandDatabase, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return runUntilSignal((signal) =>
    withOpenDatabase(open, options, async (database) => {
      await watchAfterBoot(database.db);
      if (signal.aborted) throw new InterruptedFault(signal, 'nothing was changed');
      return work(database, signal);
    }),
  );
}

/** The same for a service, which ends by a signal as a success. */
export async function withOpenDatabase<T>(
  open: DatabaseOpener,
  options: CommonOptions,
  work: (database: CommandDatabase) => Promise<T>,
): Promise<T> {
  const config = readConfiguration(options);
  const { now } = options;
  const database = await open(config);
  try {
    if (now !== undefined) await setClock(database.db, now);
    await updateHighMark(database.db);
    return await work(database);
  } finally {
    await database.close();
  }
}

/** JSON for programs: an id is a number while it is safe as one, else a string. */
export function formatJson(value: unknown): string {
  const replaceBigint = (_: string, inner: unknown) => {
    if (typeof inner !== 'bigint') return inner;
    return inner <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(inner) : inner.toString();
  };
  return terminalJson(JSON.stringify(value, replaceBigint, 2));
}

/** Prints one or the other. */
export function printResult(options: CommonOptions, json: unknown, text: () => string): void {
  process.stdout.write(`${options.json ? formatJson(json) : terminalText(text())}\n`);
}

/** Columns lined up; numbers to the right. */
export function formatTable(
  rows: readonly (readonly string[])[],
  rightAligned: readonly number[] = [],
): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return rightAligned.includes(column) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
