import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Books, freshBooks } from './books.ts';
import { until } from './service/until.ts';

// Ctrl-C, a full disk and a closed pipe: one sentence that states what was changed, and an exit code.

vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let books: Books;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'perennial-interrupted-'));
  books = await freshBooks();
  writeFileSync(
    join(folder, 'p.yaml'),
    'plans: { basic: { title: B, groups: [all], prices: { RUB: { 30: 149 } } } }\n',
  );
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await books?.close();
});

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; err: string }>;
}

const door = 'bin/perennial.js';
const environment = () => ({ ...process.env, DATABASE_URL: books.url, PERENNIAL_CONFIG: '' });

function start(args: readonly string[], stdout: number | 'pipe' = 'pipe'): Running {
  const child = spawn(process.execPath, [door, ...args], {
    env: environment(),
    stdio: ['pipe', stdout, 'pipe'],
  });
  let err = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, err }));
  return { child, ended };
}

/** Whether the command has a transaction open, so that it is in the middle of its work. */
async function isWorking(): Promise<true | undefined> {
  const { rows } = await books.pool.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database()
     AND query LIKE 'COPY opening_line%' AND state = 'active'`,
  );
  return rows.length > 0 ? true : undefined;
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s in an import: nothing was imported, exit code %i', async (signal, code) => {
  const { child, ended } = start(['import', '-', '--format', 'csv']);
  child.stdin?.write('telegram_id\n7\n');
  await until('the import reads', isWorking);
  child.kill(signal);
  expect(await ended).toEqual({
    code,
    err: 'perennial: interrupted; nothing was imported\n',
  });
  const { rows } = await books.pool.query('SELECT FROM perennial.customer');
  expect(rows).toEqual([]);
});

test('a full disk is one sentence and exit code 1 or 2, without a stack', async () => {
  const full = openSync('/dev/full', 'w');
  const audit = await start(['audit'], full).ended;
  expect(audit).toEqual({
    code: 1,
    err: "perennial: the output can't be written: no space is left on the disk\n",
  });
  expect(await start(['backup', '/dev/full']).ended).toEqual({
    code: 2,
    err: "perennial: /dev/full: can't be written (no space is left on the disk)\n",
  });
});

test('a reader that closes the pipe early does not change the exit code', async () => {
  await books.pool.query(
    `INSERT INTO perennial.customer (telegram_id, locale, time_zone, currency, balance_minor, sub_token)
     VALUES (5, 'en', 'UTC', 'RUB', 100, 'a-token-of-sixteen')`,
  );
  const run = (text: string) =>
    once(spawn('bash', ['-c', text], { env: environment(), stdio: 'ignore' }), 'exit');
  const piped = `"${process.execPath}" ${door} audit | true; exit "\${PIPESTATUS[0]}"`;
  expect(await run(piped)).toEqual([1, null]);
  await books.pool.query('DELETE FROM perennial.customer');
  expect(await run(piped)).toEqual([0, null]);
});
