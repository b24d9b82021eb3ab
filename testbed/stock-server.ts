import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { changeOwner, ensureServerAccount, runAs } from '../src/db/embedded/account.ts';
import type { Binaries } from '../src/db/embedded/binaries.ts';
import { startCluster, stopCluster } from '../src/db/embedded/cluster.ts';

// A PostgreSQL of the system with its default settings, as an operator installs it: no tuning,
// `jit` on. Benchmarks and tests of plans use it beside the embedded server.

const installed = '/usr/lib/postgresql';

/** The reason why there is no stock server. */
export const stockMissing = `no PostgreSQL of the system: ${installed}/*/bin/postgres is missing (apt install postgresql)`;

/** The newest PostgreSQL of the system, or undefined. */
export async function findStock(): Promise<Binaries | undefined> {
  if (!existsSync(installed)) return undefined;
  const majors = (await readdir(installed)).filter((name) => /^\d+$/.test(name));
  const usable = majors.filter((major) => existsSync(join(installed, major, 'bin', 'initdb')));
  const major = usable.toSorted((a, b) => Number(b) - Number(a))[0];
  if (major === undefined) return undefined;
  const at = (name: string) => join(installed, major, 'bin', name);
  return { initdb: at('initdb'), pg_ctl: at('pg_ctl'), postgres: at('postgres'), major };
}

export interface StockServer {
  /** The URL of the server's default database. Another name may replace the path. */
  readonly url: string;
  readonly major: string;
  stop(): Promise<void>;
}

/** The address of the server, which does not change a plan. All other settings are the default. */
function formatStockSettings(port: number, statistics: boolean): string {
  const lines = [
    `port = ${port}`,
    "listen_addresses = '127.0.0.1'",
    "unix_socket_directories = ''",
  ];
  // Autovacuum analyzes at any time, so plans would differ between runs.
  return [...lines, ...(statistics ? [] : ['autovacuum = off']), ''].join('\n');
}

/**
 * Starts a new cluster in a temporary folder.
 * @param statistics if false, a table is analyzed only by a statement that requests it
 * @throws Error if the system has no PostgreSQL
 */
export async function startStock({ statistics }: { statistics: boolean }): Promise<StockServer> {
  const binaries = await findStock();
  if (binaries === undefined) throw new Error(stockMissing);
  const account = await ensureServerAccount();
  const dataDir = await mkdtemp(join(tmpdir(), 'perennial-stock-'));
  await changeOwner(account, dataDir);
  const folder = join(dataDir, 'postgres');
  await mkdir(folder, { mode: 0o700 });
  await changeOwner(account, folder);
  const result = await runAs(account, binaries.initdb, [
    ...[`--pgdata=${folder}`, '--username=postgres', '--auth=trust', '--encoding=UTF8'],
    ...['--locale=C.UTF-8', '--no-instructions', '--no-sync'],
  ]);
  if (result.code !== 0)
    throw new Error(`initdb of PostgreSQL ${binaries.major}: ${result.output}`);
  await appendFile(join(folder, 'postgresql.conf'), "include 'perennial.conf'\n");
  const cluster = { folder, binaries, account };
  const port = await startCluster(cluster, (chosen) => formatStockSettings(chosen, statistics));
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    major: binaries.major,
    stop: async () => {
      await stopCluster(cluster);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Resets every table of the program to one that was never analyzed or vacuumed. */
export async function clearStatistics(client: pg.Client): Promise<void> {
  const filter = "relnamespace = 'perennial'::regnamespace AND relkind IN ('r', 'i')";
  await client.query(`DELETE FROM pg_statistic WHERE starelid IN
    (SELECT oid FROM pg_class WHERE ${filter})`);
  await client.query(`UPDATE pg_class SET reltuples = -1, relpages = 0, relallvisible = 0
    WHERE ${filter}`);
}
