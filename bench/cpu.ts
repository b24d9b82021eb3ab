import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';

// Processor time of the server, from Linux's process accounting. On a shared machine it is more
// exact than elapsed time. It counts backends that have exited, so it is read before a variant
// connects and after it has disconnected.

const tickMs = 10;

/**
 * Waits until this client's backend is the only one of its database, and the server has reaped the
 * others.
 */
async function waitForBackends(client: pg.Client, server: string): Promise<void> {
  for (;;) {
    const { rows } = await client.query(`SELECT count(*)::int AS known, count(*) FILTER (
      WHERE datname = current_database() AND pid <> pg_backend_pid())::int AS others
      FROM pg_stat_activity`);
    const [{ known, others }] = rows as [{ known: number; others: number }];
    const children = await readFile(`/proc/${server}/task/${server}/children`, 'utf8');
    // The only child that the server does not list is the writer of the log.
    if (others === 0 && children.trim().split(' ').length <= known + 1) return;
  }
}

/** Milliseconds of exited backends since the server started. Undefined without accounting. */
export async function readServerCpuMs(client: pg.Client): Promise<number | undefined> {
  if (!existsSync('/proc/self/stat')) return undefined;
  const server = await readServerPid(client);
  await waitForBackends(client, server);
  const [, ended] = await readCpuMs(server);
  return ended;
}

async function readServerPid(client: pg.Client): Promise<string> {
  const { rows } = await client.query('SHOW data_directory');
  const pidFile = await readFile(join(rows[0].data_directory, 'postmaster.pid'), 'utf8');
  return pidFile.slice(0, pidFile.indexOf('\n'));
}

/** The processor time of a process and of its exited children. */
async function readCpuMs(pid: string): Promise<[number, number]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The fields after the name in parentheses start at 3. Fields 14 and 15 are the user and system
  // time of the process, 16 and 17 those of its children.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const sum = (at: number): number => ((fields[at] ?? 0) + (fields[at + 1] ?? 0)) * tickMs;
  return [sum(11), sum(13)];
}

/**
 * The same with running backends, for a server whose clients stay connected. 0 without accounting.
 */
export async function readServerCpuNowMs(client: pg.Client): Promise<number> {
  if (!existsSync('/proc/self/stat')) return 0;
  const server = await readServerPid(client);
  const children = await readFile(`/proc/${server}/task/${server}/children`, 'utf8');
  const childrenMs = children
    .trim()
    .split(' ')
    .map((pid) => readCpuMs(pid).catch(() => [0, 0]));
  const [, ended] = await readCpuMs(server);
  return (await Promise.all(childrenMs)).reduce((sum, [own = 0]) => sum + own, ended);
}
