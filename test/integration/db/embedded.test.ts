import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { OwnerRole } from '../../../src/db/embedded/ownership.ts';
import { type EmbeddedServer, startEmbedded } from '../../../src/db/embedded.ts';
import { UsageFault } from '../../../src/kernel/faults.ts';

let dataDir: string;
const children: ChildProcess[] = [];

// All tests share one folder, because the creation of a cluster takes longer than any test. A test
// takes over the server of an owner that crashed in the test before it.
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'perennial-embedded-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
  }
});

afterAll(async () => {
  await (await start('command')).stop();
  await rm(dataDir, { recursive: true, force: true });
});

const start = (owner: OwnerRole, waitMs = 30_000, durable = false) =>
  startEmbedded({ dataDir, owner, durable, waitMs });

/** The same in a separate process, which runs until it receives a line or SIGKILL. */
async function startElsewhere(
  owner: OwnerRole,
  durable = false,
): Promise<{ child: ChildProcess; url: string }> {
  const module = new URL('../../../src/db/embedded.ts', import.meta.url).href;
  const program = `
    const { startEmbedded } = await import('${module}');
    const options = JSON.parse(process.argv[1]);
    const server = await startEmbedded(options).catch(({ code }) => console.log(code));
    if (server) {
      console.log(server.url);
      process.stdin.once('data', async () => { await server.stop(); process.exit(0); });
    }`;
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', program, JSON.stringify({ dataDir, owner, durable })],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  children.push(child);
  const [url] = await once(
    createInterface({ input: child.stdout as NodeJS.ReadableStream }),
    'line',
  );
  return { child, url };
}

async function queryValue(url: string, query: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return Object.values((await client.query(query)).rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

const catchCode = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof UsageFault ? error.code : error),
  );

test('written rows survive a stop and a start', async () => {
  const first = await start('command');
  await queryValue(first.url, 'CREATE TABLE kept_1 AS SELECT 7 AS n');
  await first.stop();
  await first.stop();
  const second = await start('command');
  expect(await queryValue(second.url, 'SELECT n FROM kept_1')).toBe(7);
  await second.stop();
});

test('a stop takes less than 5 s, also with a client in a transaction', async () => {
  const server = await start('service');
  const client = new pg.Client({ connectionString: server.url });
  const lost = new Promise<void>((resolve) => client.once('end', resolve));
  client.on('error', () => undefined);
  await client.connect();
  await client.query('BEGIN');
  const startedMs = performance.now();
  await server.stop();
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  await lost;
});

test('a second service on the folder is refused; the message names the folder, the process and the remedy', async () => {
  const { child } = await startElsewhere('service');
  const refused = await start('service').catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(UsageFault);
  const { code, message } = refused as UsageFault;
  expect(code).toBe('data_dir_in_use');
  for (const part of [dataDir, String(child.pid), 'database URL']) expect(message).toContain(part);
});

test('a command joins the server of a service, and leaves it running', async () => {
  const { url } = await startElsewhere('service');
  const joined = await start('command');
  expect(joined).toMatchObject({ url, ownedHere: false });
  await joined.stop();
  expect(await queryValue(url, 'SELECT 1')).toBe(1);
});

test('a command waits for the command before it, then starts the server itself', async () => {
  const { child } = await startElsewhere('command');
  const waiting = start('command');
  expect(await catchCode(start('command', 0))).toBe('data_dir_in_use');
  child.stdin?.write('stop\n');
  const [server] = await Promise.all([waiting, once(child, 'exit')]);
  expect(server.ownedHere).toBe(true);
  await server.stop();
});

test('a crashed owner loses the folder: the next owner takes over its server, and no row is lost', async () => {
  const { child, url } = await startElsewhere('service');
  await queryValue(url, 'CREATE TABLE kept_6 AS SELECT 7 AS n');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await queryValue(url, 'SELECT 1')).toBe(1);
  const server = await start('service');
  expect(server.ownedHere).toBe(true);
  expect(await queryValue(server.url, 'SELECT n FROM kept_6')).toBe(7);
  await server.stop();
});

test('a server that crashed with its owner starts again with all committed rows', async () => {
  const { child, url } = await startElsewhere('service', true);
  await queryValue(url, 'CREATE TABLE kept_7 AS SELECT 7 AS n');
  const [postmaster] = (await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split(
    '\n',
  );
  child.kill('SIGKILL');
  process.kill(Number(postmaster), 'SIGKILL');
  await once(child, 'exit');
  const server = await start('command', 30_000, true);
  expect(await queryValue(server.url, 'SELECT n FROM kept_7')).toBe(7);
  await server.stop();
});

test('a stale pid of another process does not block a start, and that process keeps running', async () => {
  await (await start('command')).stop();
  const otherProcess = spawn('sleep', ['600']);
  children.push(otherProcess);
  const pidFile = join(dataDir, 'postgres/postmaster.pid');
  await writeFile(pidFile, `${otherProcess.pid}\n${dataDir}/postgres\n0\n1\n\n127.0.0.1\n`);
  const owner = {
    pid: otherProcess.pid,
    startedAt: 'another/1',
    nonce: 'n',
    role: 'service',
    port: 1,
  };
  await writeFile(join(dataDir, 'owner.json'), JSON.stringify(owner));
  const server = await start('service');
  expect(server.ownedHere).toBe(true);
  expect(otherProcess.exitCode ?? otherProcess.signalCode).toBeNull();
  await server.stop();
});

test('of eight services that start at once on an abandoned folder, one owns it', async () => {
  const crashedOwner = { pid: 2 ** 30, startedAt: '', nonce: 'dead', role: 'service', port: 1 };
  await writeFile(join(dataDir, 'owner.json'), JSON.stringify(crashedOwner));
  const starts = Array.from({ length: 8 }, () => start('service'));
  const results = await Promise.allSettled(starts);
  const servers = results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  expect(servers).toHaveLength(1);
  expect(
    results.filter((each) => each.status === 'rejected').map(({ reason }) => reason.code),
  ).toEqual(Array(7).fill('data_dir_in_use'));
  await (servers[0] as EmbeddedServer).stop();
});

test('only the owner of the files can read the password and `owner.json`', async () => {
  const server = await start('service');
  for (const file of ['password', 'owner.json']) {
    expect((await stat(join(dataDir, file))).mode & 0o777).toBe(0o600);
  }
  const open = new URL(server.url);
  open.password = '';
  await expect(queryValue(open.href, 'SELECT 1')).rejects.toThrow(/password/);
  await server.stop();
});

test('a data folder that is a file is refused in one sentence', async () => {
  const file = join(dataDir, 'file');
  await writeFile(file, '');
  const refused = startEmbedded({ dataDir: file, owner: 'command' });
  expect(await catchCode(refused)).toBe('data_dir');
});
