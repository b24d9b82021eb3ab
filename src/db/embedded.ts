import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { access, chmod, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { UsageFault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { pause } from '../kernel/timer.ts';
import { ensureServerAccount, runAs, type ServerAccount } from './embedded/account.ts';
import { findBinaries } from './embedded/binaries.ts';
import {
  type Cluster,
  checkVersion,
  initCluster,
  startCluster,
  stopCluster,
  superuser,
} from './embedded/cluster.ts';
import { createFolder } from './embedded/folder.ts';
import {
  claimFolder,
  type FolderOwnership,
  type OwnerRole,
  readCurrentOwner,
} from './embedded/ownership.ts';
import { isRunning } from './embedded/process.ts';
import { formatSettings, type ServerSettings } from './embedded/settings.ts';

// `database: embedded`: a PostgreSQL server in the data folder.
//
// 1. A service (`start`, `demo`) owns the server while it runs.
// 2. A command joins the server of a running service, and leaves it running.
// 3. Without a service, a command starts the server and stops it at its end. A second command
//    waits.
// 4. A server whose owner has ended is stopped and started again.

export interface EmbeddedOptions {
  readonly dataDir: string;
  readonly owner: OwnerRole;
  /** false: a server for tests, which loses data in a power cut. */
  readonly durable?: boolean;
  /** Settings of PostgreSQL that override those of this program. */
  readonly settings?: ServerSettings;
  /** How long to wait for another command, or for a service that starts. */
  readonly waitMs?: number;
}

export interface EmbeddedServer {
  readonly url: string;
  /** Whether this process started the server and stops it, or joined that of a service. */
  readonly ownedHere: boolean;
  /** Ends the server, also with open connections. No effect after a join. May be repeated. */
  stop(): Promise<void>;
}

const databaseName = 'perennial';
const pollMs = 100;

function formatUrl(password: string, port: number, database = databaseName): string {
  return `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`;
}

/** Creates the data folder, and gives the server's account access to it. */
async function prepareFolder(dataDir: string, account: ServerAccount | undefined): Promise<void> {
  let createdFolder: string | undefined;
  try {
    createdFolder = await createFolder(dataDir, account === undefined ? 0o700 : 0o711);
    if (account !== undefined) await chmod(dataDir, ((await stat(dataDir)).mode & 0o777) | 0o011);
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new UsageFault(
      'data_dir',
      `data folder ${dataDir}: can't be written (${reason}); name another in PERENNIAL_DATA_DIR`,
      error,
    );
  }
  if (account === undefined) return;
  const entry = await runAs(account, 'sh', ['-c', 'cd "$1"', 'sh', dataDir]);
  if (entry.code === 0) return;
  if (createdFolder !== undefined) await rm(createdFolder, { recursive: true });
  throw new UsageFault(
    'data_dir_unreachable',
    `data folder ${dataDir}: the server runs as the user "postgres" because you are root, and this user cannot open the folder; name another folder in PERENNIAL_DATA_DIR, like /var/lib/perennial`,
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
    const existing = await client.query('SELECT FROM pg_database WHERE datname = $1', [
      databaseName,
    ]);
    if (existing.rowCount === 0) await client.query(`CREATE DATABASE ${databaseName}`);
  } finally {
    await client.end();
  }
}

function createFolderInUseFault(dataDir: string, pid: number, role: OwnerRole): UsageFault {
  const ownerText = role === 'service' ? 'a running perennial' : 'a command of perennial';
  return new UsageFault(
    'data_dir_in_use',
    `data folder ${dataDir}: belongs to ${ownerText} (process ${pid}); end this process, or set a database URL, which several processes can share`,
  );
}

type FolderClaim = { readonly ownership: FolderOwnership } | { readonly port: number };

/** Takes the folder or, for a command, finds the address of the owner's server. */
async function claimOrJoin(dataDir: string, role: OwnerRole, waitMs: number): Promise<FolderClaim> {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const claimed = await claimFolder(dataDir, role);
    if ('release' in claimed) return { ownership: claimed };
    if (claimed.role === 'service') {
      if (role === 'service') throw createFolderInUseFault(dataDir, claimed.pid, claimed.role);
      if (claimed.port !== null) return { port: claimed.port };
    }
    if (waitedMs >= waitMs) throw createFolderInUseFault(dataDir, claimed.pid, claimed.role);
    await pause(pollMs);
  }
}

async function startOwned(
  cluster: Cluster,
  ownership: FolderOwnership,
  dataDir: string,
  options: EmbeddedOptions,
): Promise<EmbeddedServer> {
  const durable = options.durable ?? true;
  const password = await readPassword(dataDir);
  await initCluster(cluster, password, durable);
  await checkVersion(cluster);
  await stopCluster(cluster); // the server of a crashed owner
  const port = await startCluster(cluster, (chosen) =>
    formatSettings(chosen, { durable, settings: options.settings ?? {} }),
  );
  try {
    await createDatabase(formatUrl(password, port, 'postgres'));
    await ownership.announce(port);
  } catch (error) {
    await stopCluster(cluster);
    throw error;
  }
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    await stopCluster(cluster);
    await ownership.release();
  };
  return {
    url: formatUrl(password, port),
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
  const owner = await readCurrentOwner(dataDir);
  if (owner?.role !== 'service' || owner.port === null) return undefined;
  if (!isRunning(owner.pid, owner.startedAt)) return undefined;
  return formatUrl(await readPassword(dataDir), owner.port);
}

/** Starts the server of a data folder, or joins it. @throws UsageFault with folder and remedy */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const account = await ensureServerAccount();
  await prepareFolder(resolve(options.dataDir), account);
  // The path of the operating system: the working folder identifies a process.
  const dataDir = await realpath(options.dataDir);
  const folderClaim = await claimOrJoin(dataDir, options.owner, options.waitMs ?? 30 * secondMs);
  if ('port' in folderClaim) {
    const url = formatUrl(await readPassword(dataDir), folderClaim.port);
    return { url, ownedHere: false, stop: () => Promise.resolve() };
  }
  try {
    const binaries = await findBinaries(account);
    const cluster = { folder: join(dataDir, 'postgres'), binaries, account };
    return await startOwned(cluster, folderClaim.ownership, dataDir, options);
  } catch (error) {
    await folderClaim.ownership.release();
    throw error;
  }
}
