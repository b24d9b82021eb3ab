import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { access, chmod, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { UsageFault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { pause } from '../kernel/timer.ts';
import { type Account, runAs, serverAccount } from './embedded/account.ts';
import { findBinaries } from './embedded/binaries.ts';
import {
  type Cluster,
  checkVersion,
  initCluster,
  startCluster,
  stopCluster,
  superuser,
} from './embedded/cluster.ts';
import { makeFolder } from './embedded/folder.ts';
import { claim, currentOwner, type Ownership, type Role } from './embedded/ownership.ts';
import { isAlive } from './embedded/process.ts';
import { type Settings, settingsText } from './embedded/settings.ts';

// `database: embedded`: a PostgreSQL server in the data folder.
//
// 1. A service (`start`, `demo`) owns the server while it runs.
// 2. A command joins the server of a running service, and leaves it running.
// 3. Without a service, a command starts the server and stops it at its end. A second command waits.
// 4. A server whose owner has ended is stopped and started again.

export interface EmbeddedOptions {
  readonly dataDir: string;
  readonly owner: Role;
  /** false: a server for tests, which loses data in a power cut. */
  readonly durable?: boolean;
  /** Settings of PostgreSQL that override those of this program. */
  readonly settings?: Settings;
  /** How long to wait for another command, or for a service that starts. */
  readonly waitMs?: number;
}

export interface Embedded {
  readonly url: string;
  /** Whether this process started the server and stops it, or joined that of a service. */
  readonly ownedHere: boolean;
  /** Ends the server, also with open connections. No effect after a join. May be repeated. */
  stop(): Promise<void>;
}

const databaseName = 'perennial';
const pollMs = 100;

function urlOf(password: string, port: number, database = databaseName): string {
  return `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`;
}

/** Creates the data folder, and gives the server's account access to it. */
async function prepareFolder(dataDir: string, account: Account | undefined): Promise<void> {
  let made: string | undefined;
  try {
    made = await makeFolder(dataDir, account === undefined ? 0o700 : 0o711);
    if (account !== undefined) await chmod(dataDir, ((await stat(dataDir)).mode & 0o777) | 0o011);
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new UsageFault(
      'data_dir',
      `data folder ${dataDir}: can't be written (${why}); name another in PERENNIAL_DATA_DIR`,
      error,
    );
  }
  if (account === undefined) return;
  const entered = await runAs(account, 'sh', ['-c', 'cd "$1"', 'sh', dataDir]);
  if (entered.code === 0) return;
  if (made !== undefined) await rm(made, { recursive: true });
  throw new UsageFault(
    'data_dir_unreachable',
    `data folder ${dataDir}: the user "postgres", as whom the server runs since you are root, can't get there; name a folder outside of closed ones in PERENNIAL_DATA_DIR, as /var/lib/perennial`,
  );
}

/** The password of the server in this folder. It is created with the folder. */
async function readPassword(dataDir: string): Promise<string> {
  const path = join(dataDir, 'password');
  if (existsSync(path)) return (await readFile(path, 'utf8')).trim();
  if (existsSync(join(dataDir, 'postgres'))) {
    throw new UsageFault(
      'no_password_file',
      `data folder ${dataDir}: its file "password" is missing; put it back from a backup`,
    );
  }
  const password = randomBytes(24).toString('base64url');
  await writeFile(path, password, { mode: 0o600, flush: true });
  return password;
}

async function createDatabase(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [databaseName]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${databaseName}`);
  } finally {
    await client.end();
  }
}

function busy(dataDir: string, pid: number, role: Role): UsageFault {
  const who = role === 'service' ? 'a running perennial' : 'a command of perennial';
  return new UsageFault(
    'data_dir_in_use',
    `data folder ${dataDir}: belongs to ${who} (process ${pid}); end that one, or set a database URL, which several may share`,
  );
}

type Place = { readonly ours: Ownership } | { readonly port: number };

/** Takes the folder or, for a command, finds the address of the owner's server. */
async function ownOrJoin(dataDir: string, role: Role, waitMs: number): Promise<Place> {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const found = await claim(dataDir, role);
    if ('release' in found) return { ours: found };
    if (found.role === 'service') {
      if (role === 'service') throw busy(dataDir, found.pid, found.role);
      if (found.port !== null) return { port: found.port };
    }
    if (waitedMs >= waitMs) throw busy(dataDir, found.pid, found.role);
    await pause(pollMs);
  }
}

async function startOwned(
  cluster: Cluster,
  ours: Ownership,
  dataDir: string,
  options: EmbeddedOptions,
): Promise<Embedded> {
  const durable = options.durable ?? true;
  const password = await readPassword(dataDir);
  await initCluster(cluster, password, durable);
  await checkVersion(cluster);
  await stopCluster(cluster); // that of an owner who died
  const port = await startCluster(cluster, (chosen) =>
    settingsText(chosen, { durable, settings: options.settings ?? {} }),
  );
  try {
    await createDatabase(urlOf(password, port, 'postgres'));
    await ours.announce(port);
  } catch (error) {
    await stopCluster(cluster);
    throw error;
  }
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    await stopCluster(cluster);
    await ours.release();
  };
  return {
    url: urlOf(password, port),
    ownedHere: true,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** The URL of the server that a running service has in this folder; undefined without one. */
export async function findRunningServer(folder: string): Promise<string | undefined> {
  if (!existsSync(join(folder, 'postgres'))) return undefined;
  const dataDir = await realpath(folder);
  const owner = await currentOwner(dataDir);
  if (owner?.role !== 'service' || owner.port === null) return undefined;
  if (!isAlive(owner.pid, owner.startedAt)) return undefined;
  return urlOf(await readPassword(dataDir), owner.port);
}

/** Starts the server of a data folder, or joins it. @throws UsageFault with folder and remedy */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const account = await serverAccount();
  await prepareFolder(resolve(options.dataDir), account);
  // The path of the operating system: the working folder identifies a process.
  const dataDir = await realpath(options.dataDir);
  const place = await ownOrJoin(dataDir, options.owner, options.waitMs ?? 30 * secondMs);
  if ('port' in place) {
    const url = urlOf(await readPassword(dataDir), place.port);
    return { url, ownedHere: false, stop: () => Promise.resolve() };
  }
  try {
    const binaries = await findBinaries(account);
    const cluster = { folder: join(dataDir, 'postgres'), binaries, account };
    return await startOwned(cluster, place.ours, dataDir, options);
  } catch (error) {
    await place.ours.release();
    throw error;
  }
}
