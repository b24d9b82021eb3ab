import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import pg from 'pg';
import { afterAll, afterEach, vi } from 'vitest';
import type { DatabaseOpener } from '../../src/cli/command.ts';
import { buildApplyCommand } from '../../src/cli/commands/apply/apply.ts';
import { runProgram } from '../../src/cli/program.ts';
import { createDatabase, type TestDatabase } from './database.ts';

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

/**
 * A new current folder without a configuration, and a database, until the end of the test file.
 */
export async function enterCommandFolder(): Promise<{ folder: string; database: TestDatabase }> {
  const home = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), 'perennial-commands-'));
  chmodSync(folder, 0o755); // as root, a server has another account
  process.chdir(folder);
  vi.stubEnv('PERENNIAL_DATA_DIR', join(folder, 'data'));
  vi.stubEnv('PERENNIAL_CONFIG', undefined);
  vi.stubEnv('DATABASE_URL', undefined);
  const database = await createDatabase({ now: '2026-11-24T09:00:00Z' });
  afterEach(() => {
    process.exitCode = 0;
  });
  afterAll(async () => {
    process.chdir(home);
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
    await database.close();
  });
  return { folder, database };
}

/** Runs one command on an open database. Its faults are thrown. */
export async function runCommand(
  build: (open: DatabaseOpener) => Command,
  { db, url }: Pick<TestDatabase, 'db' | 'url'>,
  words: readonly string[],
): Promise<{ readonly out: string; readonly code: typeof process.exitCode }> {
  let out = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const installation = { id: '', test: true, madeBy: 'migrate' };
  const close = async () => undefined;
  const command = build(async (config) => ({ config, db, url, installation, close }));
  for (const each of [command, ...command.commands])
    each.exitOverride().configureOutput({ writeErr: () => undefined });
  process.exitCode = undefined;
  try {
    await command.parseAsync(words, { from: 'user' });
    return { out, code: process.exitCode };
  } finally {
    write.mockRestore();
    process.exitCode = undefined;
  }
}

/** Applies a configuration file with this text. @returns the output of `apply` */
export async function applyFile(
  database: Pick<TestDatabase, 'db' | 'url'>,
  text: string,
  ...options: string[]
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-apply-'));
  const file = join(folder, 'shop.yaml');
  writeFileSync(file, text);
  try {
    return (await runCommand(buildApplyCommand, database, [file, '--yes', ...options])).out;
  } finally {
    rmSync(folder, { recursive: true });
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
