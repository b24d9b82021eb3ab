import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Fault, UsageFault } from '../../kernel/faults.ts';
import { pause } from '../../kernel/timer.ts';
import { changeOwner, runAs, type ServerAccount } from './account.ts';
import type { Binaries } from './binaries.ts';
import { hasWorkingFolder } from './process.ts';

// One PostgreSQL cluster in a folder, created by initdb and controlled by pg_ctl. pg_ctl detaches
// the server from the terminal, so Ctrl-C ends this process and not the server under its last
// batch.

export const superuser = 'perennial';

export interface Cluster {
  readonly folder: string;
  readonly binaries: Binaries;
  readonly account: ServerAccount | undefined;
}

/** Creates the cluster if it is missing, completely or not at all. */
export async function initCluster(
  cluster: Cluster,
  password: string,
  durable: boolean,
): Promise<void> {
  const { folder, binaries, account } = cluster;
  if (existsSync(folder)) return;
  const [draft, passwordFile] = [`${folder}.new`, `${folder}.password`];
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await changeOwner(account, draft);
  await writeFile(passwordFile, password, { mode: 0o600 });
  await changeOwner(account, passwordFile);
  const result = await runAs(account, binaries.initdb, [
    ...[`--pgdata=${draft}`, `--username=${superuser}`, `--pwfile=${passwordFile}`],
    ...['--auth=scram-sha-256', '--encoding=UTF8', '--no-instructions'],
    ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
    ...(durable ? [] : ['--no-sync']),
  ]);
  await rm(passwordFile, { force: true });
  if (result.code !== 0) {
    await rm(draft, { recursive: true, force: true });
    throw new UsageFault(
      'initdb_failed',
      `data folder ${folder}: PostgreSQL could not make its files there (${lastLine(result.output)}); name another folder in PERENNIAL_DATA_DIR or set a database URL`,
    );
  }
  await appendFile(join(draft, 'postgresql.conf'), "include 'perennial.conf'\n");
  await rename(draft, folder);
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1)?.trim() ?? '';
}

/** @throws UsageFault for files of another major version: PostgreSQL can't read them. */
export async function checkVersion({ folder, binaries }: Cluster): Promise<void> {
  const version = (await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim();
  if (version === binaries.major) return;
  throw new UsageFault(
    'cluster_version',
    `data folder ${folder}: contains files of PostgreSQL ${version}, but this program has PostgreSQL ${binaries.major}; back the database up with the program that made it, and restore the backup into a new folder`,
  );
}

/** A free port of 127.0.0.1. */
async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/**
 * Removes the pid file of an ended server if another process has its pid now. PostgreSQL would take
 * that process for the server, and pg_ctl would send it a signal.
 */
async function removeStalePidFile({ folder }: Cluster): Promise<void> {
  const pidFile = join(folder, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number((await readFile(pidFile, 'utf8')).split('\n')[0]);
  if ((await hasWorkingFolder(pid, folder)) === false) await rm(pidFile, { force: true });
}

/** Ends the server of this folder, also with open connections. */
export async function stopCluster(cluster: Cluster): Promise<void> {
  const { folder, binaries, account } = cluster;
  await removeStalePidFile(cluster);
  if (!existsSync(join(folder, 'postmaster.pid'))) return;
  const pg_ctl = (...args: string[]) => runAs(account, binaries.pg_ctl, [...args, '-D', folder]);
  if ((await pg_ctl('status')).code === 3) return;
  const stopped = await pg_ctl('stop', '-m', 'fast', '-w', '-t', '60');
  // The checkpoint took over a minute. The WAL has all commits, and the next start replays it.
  if (stopped.code !== 0) await pg_ctl('stop', '-m', 'immediate', '-w', '-t', '10');
}

/** The backends of a killed server end by themselves after a short time. */
const leftoverPattern =
  /pre-existing shared memory block|lock file "postmaster.pid" already exists/;
const portTakenPattern = /Address already in use|could not bind/;

/** Starts the server on a free port and waits until it accepts connections. */
export async function startCluster(
  cluster: Cluster,
  settings: (port: number) => string,
): Promise<number> {
  const { folder, binaries, account } = cluster;
  const log = join(folder, 'start.log');
  const configuration = join(folder, 'perennial.conf');
  for (let attempt = 1; ; attempt += 1) {
    await removeStalePidFile(cluster);
    await rm(log, { force: true });
    const port = await findFreePort();
    await writeFile(configuration, settings(port));
    await changeOwner(account, configuration);
    const started = await runAs(account, binaries.pg_ctl, [
      ...['start', '-D', folder, '-l', log, '-w', '-t', '120', '-s'],
    ]);
    if (started.code === 0) return port;
    const output = existsSync(log) ? await readFile(log, 'utf8') : started.output;
    const isTemporary = portTakenPattern.test(output) || leftoverPattern.test(output);
    if (!isTemporary || attempt === 20) {
      const reason =
        output.split('\n').find((line) => /FATAL|PANIC/.test(line)) ?? lastLine(output);
      const sentence = `data folder ${folder}: PostgreSQL does not start there (${reason.trim()}); its log is ${log}`;
      throw new Fault('transient', 'embedded_start_failed', sentence);
    }
    await pause(250);
  }
}
