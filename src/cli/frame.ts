import { Command } from 'commander';
import type { Config } from '../config.ts';
import { setClock } from '../db/clock.ts';
import type { Db } from '../db/connect.ts';
import { terminalJson, terminalText } from '../kernel/foreign-text.ts';
import type { Instant } from '../kernel/instant.ts';
import { watchAfterBoot } from '../workers/clock-boot.ts';
import { noteTime } from '../workers/time-repair.ts';
import { checked, onOff, telegramId, time } from './arguments.ts';
import { readConfiguration } from './configuration.ts';
import { Interrupted, untilSignal } from './signals.ts';

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
  '<TG>': telegramId,
  '<on|off>': onOff,
};

/** A command with the common options. */
export function command(nameAndArguments: string, description: string): Command {
  const [name, ...positional] = nameAndArguments.split(' ');
  const built = new Command(name);
  for (const argument of positional) {
    const read = readers[argument];
    built.argument(argument, '', ...(read === undefined ? [] : [checked(read)]));
  }
  return built
    .description(description)
    .option(
      '--config <FILE>',
      'the configuration (default: $PERENNIAL_CONFIG, then ./perennial.yaml)',
    )
    .option('--json', 'print JSON')
    .option('--now <ISO>', 'set the stored clock of a test database first', time);
}

/** Open books, and where they are. */
export interface OpenedBooks {
  readonly config: Config;
  readonly db: Db;
  readonly url: string;
  /** Who these books are, whether they are a test, and what made them. */
  readonly installation: { readonly id: string; readonly test: boolean; readonly madeBy: string };
  /** Ends the connections, and the embedded server if this process started it. */
  close(): Promise<void>;
}

/** How books are opened; set once by `main.ts`, so that commands don't know of servers. */
export type OpenBooks = (config: Config) => Promise<OpenedBooks>;

/**
 * Opens the books, sets the clock if `--now` was given, does the work, and closes them again.
 * SIGINT and SIGTERM end it. @throws Interrupted that states what was changed
 */
export function withBooks<T>(
  open: OpenBooks,
  options: CommonOptions,
  work: (books: OpenedBooks, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return untilSignal((signal) =>
    withOpenBooks(open, options, async (books) => {
      await watchAfterBoot(books.db);
      if (signal.aborted) throw new Interrupted(signal, 'nothing was changed');
      return work(books, signal);
    }),
  );
}

/** The same for a service, which ends by a signal as a success. */
export async function withOpenBooks<T>(
  open: OpenBooks,
  options: CommonOptions,
  work: (books: OpenedBooks) => Promise<T>,
): Promise<T> {
  const config = readConfiguration(options);
  const { now } = options;
  const books = await open(config);
  try {
    if (now !== undefined) await setClock(books.db, now);
    await noteTime(books.db);
    return await work(books);
  } finally {
    await books.close();
  }
}

/** JSON for programs: an id is a number while it is safe as one, else a string. */
export function jsonText(value: unknown): string {
  const whole = (_: string, inner: unknown) => {
    if (typeof inner !== 'bigint') return inner;
    return inner <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(inner) : inner.toString();
  };
  return terminalJson(JSON.stringify(value, whole, 2));
}

/** Prints one or the other. */
export function print(options: CommonOptions, json: unknown, text: () => string): void {
  process.stdout.write(`${options.json ? jsonText(json) : terminalText(text())}\n`);
}

/** Columns lined up; numbers to the right. */
export function table(
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
