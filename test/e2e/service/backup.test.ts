import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createDatabase } from '../../support/database.ts';
import { startPerennial } from '../../support/perennial-process.ts';

// A backup of a running service, by real processes, and its restore.

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'perennial-backup-'));
  chmodSync(folder, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function runCommand(
  args: readonly string[],
  database: string,
  data = 'none',
): Promise<CommandResult> {
  const child = spawn(process.execPath, ['bin/perennial.js', ...args], {
    env: {
      ...process.env,
      PERENNIAL_CONFIG: '',
      DATABASE_URL: database,
      PERENNIAL_DATA_DIR: join(folder, data),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

/** Tables that a running service writes, so that a later read finds other rows. */
const ignoredTables = ['clock_state', 'clock_witness', 'courier', 'worker_run', 'worker_state'];

/** Every row of every table that is not in `without`, and the last value of every sequence. */
async function readContents(url: string, without: readonly string[] = []): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables
       WHERE schemaname = 'perennial' AND tablename <> ALL ($1) ORDER BY 1`,
      [without],
    );
    const found: Record<string, unknown> = {};
    for (const { name } of tables) {
      const { rows } = await client.query(`SELECT t::text FROM perennial.${name} t ORDER BY 1`);
      found[name] = rows;
    }
    const { rows: sequences } = await client.query(
      `SELECT sequencename, last_value::text FROM pg_sequences
       WHERE schemaname = 'perennial' ORDER BY 1`,
    );
    return { ...found, sequences };
  } finally {
    await client.end();
  }
}

test('a backup of a running embedded service restores to the same rows, and the service continues', async () => {
  const data = join(folder, 'running');
  expect(await runCommand(['migrate', '--test'], 'embedded', 'running')).toMatchObject({ code: 0 });
  const notRunning = await runCommand(['db', 'url'], 'embedded', 'running');
  expect(notRunning.err).toMatch(/^perennial: data folder .* start it with "perennial start"\n$/);
  expect(notRunning.code).toBe(2);
  await using service = startPerennial(['start', '--role', 'api'], {
    url: 'embedded',
    dataDir: data,
    extraConfig: 'http: { port: 0 }',
  });
  await service.untilReady();
  for (const words of [
    'customer create 7 --locale ru',
    'customer top-up 7 149.50 --provider x --ref a\tb',
    'customer adjust 7 5 --reason \\.',
  ]) {
    expect(await runCommand(words.split(' '), 'embedded', 'running')).toMatchObject({
      code: 0,
      err: '',
    });
  }
  const file = join(folder, 'backup.sql');
  expect(await runCommand(['backup', file], 'embedded', 'running')).toEqual({
    code: 0,
    out: `wrote ${file}\n`,
    err: '',
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const url = (await runCommand(['db', 'url'], 'embedded', 'running')).out.trim();
  expect(url).toMatch(/^postgres:\/\/perennial:.*@127\.0\.0\.1:\d+\/perennial$/);
  const before = await readContents(url, ignoredTables);

  await using other = await createDatabase({ isEmpty: true });
  expect(await runCommand(['restore', file], other.url)).toMatchObject({ code: 0 });
  expect(await readContents(other.url, ignoredTables)).toEqual(before);
  expect(await runCommand(['audit'], other.url)).toMatchObject({ code: 0, err: '' });
  // The restored ledger refuses a DELETE, as before.
  await expect(other.pool.query('DELETE FROM perennial.ledger_entry')).rejects.toThrow();

  const again = await runCommand(['restore', file], other.url);
  expect(again.err).toMatch(/^perennial: database .*: has a schema "perennial" already; /);
  expect(again.code).toBe(2);
  service.kill('SIGTERM');
  expect(await service.exit).toMatchObject({ code: 0 });
  // A restore into a new data folder.
  expect(await runCommand(['restore', file], 'embedded', 'new')).toMatchObject({ code: 0 });
  const payment = ['customer', 'top-up', '7', '1', '--provider', 'x', '--ref', 'c'];
  expect(await runCommand(payment, 'embedded', 'new')).toMatchObject({ code: 0, err: '' });
});

test('a restored database has every row and every sequence of the backup', async () => {
  await using source = await createDatabase();
  const options = ['--customers', '30', '--seed', '3', '--now', '2026-11-24T00:00:00Z'];
  const made = execFileSync(process.execPath, ['examples/generate-customers.ts', ...options]);
  const [csv, file] = [join(folder, 'customers.csv'), join(folder, 'quiet.sql')];
  writeFileSync(csv, made);
  for (const words of [
    ['apply', 'examples/perennial.yaml', '--yes'],
    ['import', csv],
    ['backup', file],
  ]) {
    expect(await runCommand(words, source.url)).toMatchObject({ code: 0 });
  }
  await using other = await createDatabase({ isEmpty: true });
  expect(await runCommand(['restore', file], other.url)).toMatchObject({ code: 0 });
  expect(await readContents(other.url)).toEqual(await readContents(source.url));
  expect(await runCommand(['audit'], other.url)).toMatchObject({ code: 0, err: '' });
});

test('a truncated backup and a file that is not a backup restore nothing', async () => {
  await using source = await createDatabase();
  const { out: text } = await runCommand(['backup', '-'], source.url);
  const lines = text.split('\n');
  const cut = join(folder, 'cut.sql');
  for (const lineCount of [lines.length - 3, lines.indexOf('\\.'), 1]) {
    await using other = await createDatabase({ isEmpty: true });
    writeFileSync(cut, lines.slice(0, lineCount).join('\n'));
    const ran = await runCommand(['restore', cut], other.url);
    expect(ran.err).toMatch(/^perennial: the backup is cut off .*; nothing was restored\n$/m);
    expect(ran.code).toBe(2);
    const { rows } = await other.pool.query("SELECT to_regnamespace('perennial') AS found");
    expect(rows).toEqual([{ found: null }]);
  }
  await using other = await createDatabase({ isEmpty: true });
  const ran = await runCommand(['restore', 'README.md'], other.url);
  expect(ran.err).toBe('perennial: the file is not a backup of "perennial backup"\n');
  expect(readFileSync('README.md', 'utf8')).not.toBe('');
});

test('`db url` prints the URL of an external server as it is', async () => {
  const url = 'postgres://me:secret@db.example.net/shop';
  expect(await runCommand(['db', 'url'], url)).toEqual({ code: 0, out: `${url}\n`, err: '' });
});
