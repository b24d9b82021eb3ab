import { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { setClock } from '../db/clock.ts';
import type { Db } from '../db/connect.ts';
import { terminalJson, terminalText } from '../kernel/foreign-text.ts';
import type { Instant } from '../kernel/instant.ts';
import { watchAfterBoot } from '../runs/clock/boot.ts';
import { updateHighMark } from '../runs/clock/repair.ts';
import { createChecker, parseOnOff, parseTelegramId, parseTime } from './arguments.ts';
import { readConfiguration } from './configuration.ts';
import { InterruptedFault, runUntilSignal } from './shutdown.ts';

// The common part of all commands: three options, the open database, and the output as text or
// JSON.

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

/** A command with the common options. `program.ts` has the description of a first word. */
export function buildCommand(nameAndArguments: string, description = ''): Command {
  const [name, ...positional] = nameAndArguments.split(' ');
  const result = new Command(name);
  for (const argument of positional) {
    const read = readers[argument];
    result.argument(argument, '', ...(read === undefined ? [] : [createChecker(read)]));
  }
  return result
    .description(description)
    .option('--config <FILE>', 'read this configuration [$PERENNIAL_CONFIG, then ./perennial.yaml]')
    .option('--json', 'print JSON [text]')
    .option('--now <ISO>', 'set the stored clock of a test database first [unchanged]', parseTime);
}

/** An open database with its configuration. */
export interface CommandDatabase {
  readonly config: Config;
  readonly db: Db;
  readonly url: string;
  /** The id of the database, whether it is a test database, and the program that made it. */
  readonly installation: { readonly id: string; readonly test: boolean; readonly madeBy: string };
  /** Ends the connections, and the embedded server if this process started it. */
  close(): Promise<void>;
}

/** Opens the database. Commands receive it, so they do not depend on the kind of server. */
export type DatabaseOpener = (config: Config) => Promise<CommandDatabase>;

/**
 * Opens the database, sets the clock of `--now`, does the work, and closes the database.
 * SIGINT and SIGTERM end the work. @throws InterruptedFault that states the changes
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

/** The same for a service: a signal ends it with success. */
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

/** JSON for programs. An id is a number if it is a safe integer, else a string. */
export function formatJson(value: unknown): string {
  const replaceBigint = (_: string, inner: unknown) => {
    if (typeof inner !== 'bigint') return inner;
    return inner <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(inner) : inner.toString();
  };
  return terminalJson(JSON.stringify(value, replaceBigint, 2));
}

/** The same on one line. */
export const formatCompactJson = (value: unknown): string =>
  formatJson(value).replaceAll(/\n\s*/g, ' ');

/** Prints the JSON or the text. */
export function printResult(options: CommonOptions, json: unknown, text: () => string): void {
  process.stdout.write(`${options.json ? formatJson(json) : terminalText(text())}\n`);
}

/** A table with aligned columns. */
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
