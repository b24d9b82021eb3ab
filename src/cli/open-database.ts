import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { type EmbeddedServer, findRunningServer, startEmbedded } from '../db/embedded.ts';
import { openCheckedDatabase } from '../db/open.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { CommandDatabase } from './command.ts';

// Where the books are: a database by its URL, or our own server in the data folder.

/** Where a database is, and how to be done with it. */
export interface DatabaseHandle {
  readonly url: string;
  close(): Promise<void>;
}

function createNoDatabaseFault(config: Config): UsageFault {
  return new UsageFault(
    'no_database',
    config.path === undefined
      ? 'perennial.yaml: is not in this folder; write one, name another with --config, or set DATABASE_URL'
      : `${config.path}: database: is not set; "embedded" or a URL is needed (or the variable DATABASE_URL)`,
  );
}

/**
 * The database of the configuration. With `embedded`, a service owns its server, a command joins
 * it or starts it for itself. @throws UsageFault `no_database`, or what the server can't do
 */
export async function startDatabase(
  config: Config,
  owner: 'service' | 'command',
  mayCreate: boolean,
): Promise<DatabaseHandle> {
  const { database, dataDir } = config;
  if (database === undefined) {
    throw createNoDatabaseFault(config);
  }
  if (database !== 'embedded') return { url: database, close: async () => undefined };
  if (!mayCreate && !existsSync(join(dataDir, 'postgres'))) {
    throw new UsageFault(
      'no_books',
      `${dataDir}: holds no database yet; run "perennial migrate" (or set PERENNIAL_DATA_DIR)`,
    );
  }
  const embedded: EmbeddedServer = await startEmbedded({ dataDir, owner });
  return { url: embedded.url, close: () => embedded.stop() };
}

/** The URL of the database if its server runs; undefined for an embedded one that does not. */
export async function findRunningUrl(config: Config): Promise<string | undefined> {
  const { database, dataDir } = config;
  if (database === undefined) throw createNoDatabaseFault(config);
  return database === 'embedded' ? findRunningServer(dataDir) : database;
}

/** Opens the books of the configuration for a command, checked. */
export function openForCommand(config: Config): Promise<CommandDatabase> {
  return openForOwner(config, 'command');
}

/** Opens them for a service, which owns an embedded server while it lives. */
export function openForService(config: Config): Promise<CommandDatabase> {
  return openForOwner(config, 'service');
}

async function openForOwner(
  config: Config,
  owner: 'service' | 'command',
): Promise<CommandDatabase> {
  const handle = await startDatabase(config, owner, false);
  try {
    const opened = await openCheckedDatabase(handle.url);
    return {
      config,
      db: opened.db,
      url: handle.url,
      installation: opened.installation,
      async close() {
        await opened.close();
        await handle.close();
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
