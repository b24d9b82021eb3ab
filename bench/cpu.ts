import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';

// Processor time of the server, from Linux's books of processes: on a machine that others use too
// it says more than the clock on the wall. It counts backends that have ended, so it is read before
// a variant connects and after it has gone.

const tickMs = 10;

/** Until this client's is the only backend of its database, and the server has buried the others. */
async function alone(client: pg.Client, server: string): Promise<void> {
  for (;;) {
    const { rows } = await client.query(`SELECT count(*)::int AS known, count(*) FILTER (
      WHERE datname = current_database() AND pid <> pg_backend_pid())::int AS others
      FROM pg_stat_activity`);
    const [{ known, others }] = rows as [{ known: number; others: number }];
    const children = await readFile(`/proc/${server}/task/${server}/children`, 'utf8');
    // Its one child that the server doesn't list is the one that writes the log.
    if (others === 0 && children.trim().split(' ').length <= known + 1) return;
  }
}

/** Milliseconds that ended backends took since the server started; undefined where nobody counts. */
export async function serverCpuMs(client: pg.Client): Promise<number | undefined> {
  if (!existsSync('/proc/self/stat')) return undefined;
  const { rows } = await client.query('SHOW data_directory');
  const pidFile = await readFile(join(rows[0].data_directory, 'postmaster.pid'), 'utf8');
  const server = pidFile.slice(0, pidFile.indexOf('\n'));
  await alone(client, server);
  const stat = await readFile(`/proc/${server}/stat`, 'utf8');
  // After the name in parentheses, from field 3 on: 16 and 17 are the children's user and system.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * tickMs;
}
