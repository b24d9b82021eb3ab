import type { Command } from 'commander';
import pg from 'pg';
import { vi } from 'vitest';
import type { DatabaseOpener } from '../../src/cli/command.ts';
import { runProgram } from '../../src/cli/program.ts';
import type { TestDatabase } from './database.ts';

// Command lines in the process of the test, and the contents of a database to compare.

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process. Quotes are read as a shell reads them. */
export const runLine = (line: string): Promise<Outcome> =>
  runWords([...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? ''));

/** Runs a command line that is split already. */
export async function runWords(words: readonly string[]): Promise<Outcome> {
  const written = { out: '', err: '' };
  const record = (to: 'out' | 'err') => (chunk: unknown) => {
    written[to] += String(chunk);
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(record('out')),
    vi.spyOn(process.stderr, 'write').mockImplementation(record('err')),
  ];
  process.exitCode = 0;
  try {
    const code = await runProgram(words);
    // A warning about the file is not part of a refusal.
    return { code, out: written.out, err: written.err.replaceAll(/^warning: .*\n/gm, '') };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** Opens a database of a test for a command, which does not close it. */
export const createOpener =
  ({ db, url }: Pick<TestDatabase, 'db' | 'url'>): DatabaseOpener =>
  async (config) => ({
    ...{ config, db, url, installation: { id: '', test: true, madeBy: 'migrate' } },
    close: async () => undefined,
  });

/** Runs words with one command of the program. @throws the fault of the command */
export async function runBuilt(
  command: Command,
  words: readonly string[],
): Promise<{ readonly out: string; readonly code: unknown }> {
  let out = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  process.exitCode = undefined;
  for (const each of command.commands) each.exitOverride();
  try {
    await command.exitOverride().parseAsync(words, { from: 'user' });
    return { out, code: process.exitCode };
  } finally {
    process.exitCode = undefined;
    spy.mockRestore();
  }
}

/** Every table of a database, each as one text. */
export async function readAllTables(url: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(
      "SELECT tablename FROM pg_tables WHERE schemaname = 'perennial' ORDER BY tablename",
    );
    const tables: Record<string, unknown> = {};
    for (const { tablename } of rows as { tablename: string }[]) {
      const found = await client.query(
        `SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM perennial.${tablename} t`,
      );
      tables[tablename] = found.rows[0].string_agg;
    }
    return tables;
  } finally {
    await client.end();
  }
}
