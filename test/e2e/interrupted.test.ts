import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { until } from '../../testbed/until.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

// Interrupted commands: Ctrl-C, a full disk and a closed pipe. Each command prints one sentence
// about its changes, and has an exit code.

vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let database: TestDatabase;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'perennial-interrupted-'));
  database = await createDatabase();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await database?.close();
});

interface RunningCommand {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; out: string; err: string }>;
  /** The output until now. */
  readOutput(): string;
}

const binPath = 'bin/perennial.js';
const createEnvironment = () => ({
  ...process.env,
  DATABASE_URL: database.url,
  PERENNIAL_CONFIG: '',
});

function startCommand(words: readonly string[], stdout: number | 'pipe' = 'pipe'): RunningCommand {
  const [command = '', ...args] = words;
  const child = spawn(command, args, { env: createEnvironment(), stdio: ['pipe', stdout, 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, out, err }));
  return { child, ended, readOutput: () => out };
}
const startPerennial = (args: readonly string[], stdout?: number) =>
  startCommand([process.execPath, binPath, ...args], stdout);

/** Takes a lock that blocks the writes of an import. @returns its release */
async function lockCustomers(): Promise<() => Promise<void>> {
  const holder = await database.pool.connect();
  await holder.query('BEGIN; LOCK TABLE perennial.customer IN SHARE MODE');
  return async () => {
    await holder.query('ROLLBACK');
    holder.release();
  };
}

/** Waits until a connection runs a statement like this, with this `wait_event_type`. */
function untilStatement(like: string, wait: string): Promise<true> {
  return until(
    `a statement like ${like}`,
    async () => {
      const { rows } = await database.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database()
       AND query ILIKE $1 AND state = 'active' AND wait_event_type = $2`,
        [like, wait],
      );
      return rows.length > 0;
    },
    60_000,
  );
}

async function countCustomers(): Promise<number> {
  const { rows } = await database.pool.query('SELECT FROM perennial.customer');
  return rows.length;
}

describe('an import', () => {
  const nothingImported = 'perennial: interrupted; nothing was imported\n';

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s while standard input is idle: nothing is imported, exit code %i',
    async (signal, code) => {
      const { child, ended } = startPerennial(['import', '-', '--format', 'csv']);
      child.stdin?.write('telegram_id\n7\n');
      await untilStatement('COPY opening_line%', 'Client');
      child.kill(signal);
      expect(await ended).toEqual({ code, out: '', err: nothingImported });
      expect(await countCustomers()).toBe(0);
    },
  );

  test('SIGINT while a named pipe is idle: nothing is imported', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const writer = spawn('sh', ['-c', 'printf "telegram_id\\n7\\n"; exec sleep 300'], {
      stdio: ['ignore', openSync(pipe, 'r+'), 'inherit'],
    });
    const { child, ended } = startPerennial(['import', pipe, '--format', 'csv']);
    await untilStatement('COPY opening_line%', 'Client');
    child.kill('SIGINT');
    expect(await ended).toEqual({ code: 130, out: '', err: nothingImported });
    writer.kill();
    expect(await countCustomers()).toBe(0);
  });

  test('SIGINT while the lines of a file are written: nothing is imported', async () => {
    const file = join(folder, 'one.csv');
    writeFileSync(file, 'telegram_id\n7\n');
    const release = await lockCustomers();
    const { child, ended } = startPerennial(['import', file]);
    await untilStatement('%perennial.customer%', 'Lock');
    child.kill('SIGINT');
    expect(await ended).toEqual({ code: 130, out: '', err: nothingImported });
    await release();
    expect(await countCustomers()).toBe(0);
  });
});

test('SIGINT while a restore waits for standard input: nothing is restored', async () => {
  await using empty = await createDatabase({ isEmpty: true });
  const backup = startPerennial(['backup', '-']);
  const { out } = await backup.ended;
  const child = spawn(process.execPath, [binPath, 'restore', '-'], {
    env: { ...createEnvironment(), DATABASE_URL: empty.url },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdin.write(out.slice(0, out.indexOf('\\.\n')));
  await until(
    'the restore reads rows',
    async () => {
      const { rows } = await empty.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database()
       AND query ILIKE 'COPY perennial.%' AND state = 'active'`,
      );
      return rows.length > 0;
    },
    60_000,
  );
  child.kill('SIGINT');
  const [code] = await once(child, 'close');
  expect(err).toMatch(/^(\d+ rows? read\n)*perennial: interrupted; nothing was restored\n$/);
  expect(code).toBe(130);
  const { rows } = await empty.pool.query("SELECT to_regnamespace('perennial') AS found");
  expect(rows).toEqual([{ found: null }]);
});

describe.skipIf(!existsSync('/usr/bin/script'))("Ctrl-C at `apply`'s question", () => {
  // `script` of util-linux gives the command a terminal.
  test('prints one sentence without a stack, changes nothing and exits with 130', async () => {
    const file = join(folder, 'plans.yaml');
    writeFileSync(
      file,
      'plans: { basic: { title: B, groups: [all], prices: { RUB: { 30: 149 } } } }\n',
    );
    const command = `'${process.execPath}' ${binPath} apply '${file}'`;
    const { child, ended, readOutput } = startCommand(['script', '-qec', command, '/dev/null']);
    await until('the question', () => readOutput().includes('[y/N]'), 60_000);
    child.stdin?.write('\u0003');
    const { code, out } = await ended;
    const after = stripVTControlCharacters(out.slice(out.indexOf('[y/N]')));
    expect(after).toMatch(/^\[y\/N\] (\^C)?\s*perennial: interrupted; nothing was changed\s*$/);
    expect(code).toBe(130);
    const { rows } = await database.pool.query('SELECT FROM perennial.plan');
    expect(rows).toEqual([]);
  });
});

describe.skipIf(!existsSync('/dev/full'))('a full disk', () => {
  test.each([
    ['the output of a command', ['audit'], 1],
    ['an export', ['export', '-', '--format', 'csv'], 2],
  ] as const)('%s: one sentence without a stack', async (_, args, code) => {
    const result = await startPerennial(args, openSync('/dev/full', 'w')).ended;
    expect(result.err).toMatch(/^perennial: [^\n]*no space is left on the disk\)?\n$/);
    expect(result.code).toBe(code);
  });

  test('a backup: one sentence without a stack, which names the file', async () => {
    expect(await startPerennial(['backup', '/dev/full']).ended).toEqual({
      code: 2,
      out: '',
      err: "perennial: /dev/full: can't be written (no space is left on the disk)\n",
    });
  });
});

test('an audit whose reader closes the pipe keeps its exit code', async () => {
  const codeOf = async (reader: string) => {
    const text = `"${process.execPath}" ${binPath} audit | ${reader}; exit "\${PIPESTATUS[0]}"`;
    return (await startCommand(['bash', '-c', text]).ended).code;
  };
  await database.pool.query(
    `INSERT INTO perennial.customer (telegram_id, locale, time_zone, currency, balance_minor, sub_token, created_at)
     VALUES (5, 'en', 'UTC', 'RUB', 100, 'a-token-of-sixteen', now())`,
  );
  expect(await codeOf('true')).toBe(1);
  expect(await codeOf('head -1')).toBe(1);
  await database.pool.query('DELETE FROM perennial.customer');
  expect(await codeOf('true')).toBe(0);
});
