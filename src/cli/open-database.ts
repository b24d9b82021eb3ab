import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { type EmbeddedServer, findRunningServer, startEmbedded } from '../db/embedded.ts';
import { openCheckedDatabase } from '../db/open.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { CommandDatabase } from './command.ts';

// Opens the database of the configuration: by its URL, or as our own server in the data folder.

/** The URL of a database, and the function that releases it. */
export interface DatabaseHandle {
  readonly url: string;
  close(): Promise<void>;
}

function createNoDatabaseFault(config: Config): UsageFault {
  return new UsageFault(
    'no_database',
    config.path === undefined
      ? 'perennial.yaml: is not in this folder; create it, name another file with --config, or set DATABASE_URL'
      : `${config.path}: database: is not set; expected "embedded" or a URL (or the variable DATABASE_URL)`,
  );
}

/**
 * The database of the configuration. With `embedded`, a service owns its server. A command joins a
 * running server, or starts one for itself.
 * @throws UsageFault `no_database`, `empty_data_folder`, or a fault of the embedded server
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
      'empty_data_folder',
      `data folder ${dataDir}: contains no database; set PERENNIAL_DATA_DIR, or run "perennial migrate"`,
    );
  }
  const embedded: EmbeddedServer = await startEmbedded({ dataDir, owner });
  return { url: embedded.url, close: () => embedded.stop() };
}

/** The URL of the database; undefined if it is embedded and its server does not run. */
export async function findRunningUrl(config: Config): Promise<string | undefined> {
  const { database, dataDir } = config;
  if (database === undefined) throw createNoDatabaseFault(config);
  return database === 'embedded' ? findRunningServer(dataDir) : database;
}

/** Opens and checks the database of the configuration for a command. */
export function openForCommand(config: Config): Promise<CommandDatabase> {
  return openForOwner(config, 'command');
}

/** Opens it for a service. The service owns an embedded server until it exits. */
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
