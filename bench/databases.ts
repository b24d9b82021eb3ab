import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { longLimits, toClientConfig } from '../src/db/connect.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { migrate } from '../src/db/migrate.ts';
import { clearStatistics, startStock } from '../testbed/stock-server.ts';

// The databases of benchmarks: a durable server in a temporary folder, and a database per
// measurement, copied from one that was built once. All are removed at the end. The server is the
// embedded one, or that of the system with its default settings.

/**
 * The settings of the figures in docs/benchmarks.md. All others are those of the embedded server.
 */
const settings = {
  shared_buffers: '2GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h', // a checkpoint runs before each measurement, and none during it
  autovacuum: 'off', // no autovacuum during one variant and not during another
};

/**
 * `tuned` is the embedded server with the settings above. `stock` has default settings and no
 * statistics.
 */
export type ServerKind = 'tuned' | 'stock';

export interface BenchDatabases {
  /** A database that `build` fills. Measurements copy it. */
  template(name: string, build: (client: pg.Client) => Promise<void>): Promise<void>;
  /** A copy of a template, changed by `prepare`, loaded into memory, with no dirty pages. */
  copy(template: string, name: string, prepare?: string): Promise<string>;
  drop(name: string): Promise<void>;
  url(name: string): string;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** One client without timeouts. */
export async function openClient(url: string): Promise<pg.Client> {
  const client = new pg.Client(toClientConfig(url, longLimits));
  await client.connect();
  return client;
}

export async function withClient<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await openClient(url);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Loads all tables and indexes into the memory of the server, then makes a checkpoint. */
async function warmUp(client: pg.Client): Promise<void> {
  await client.query('CREATE EXTENSION IF NOT EXISTS pg_prewarm');
  await client.query(`
    SELECT pg_prewarm(oid) FROM pg_class
    WHERE relnamespace = 'perennial'::regnamespace AND relkind IN ('r', 'i', 't')`);
  await client.query('CHECKPOINT');
}

interface BenchServer {
  readonly url: string;
  stop(): Promise<void>;
}

async function startTuned(): Promise<BenchServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'perennial-bench-'));
  const server = await startEmbedded({ dataDir, owner: 'service', settings });
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export async function openBenchDatabases(kind: ServerKind = 'tuned'): Promise<BenchDatabases> {
  const server = kind === 'tuned' ? await startTuned() : await startStock({ statistics: false });
  const urlOf = (name: string): string => {
    const url = new URL(server.url);
    url.pathname = `/${name}`;
    return url.href;
  };
  const administer = (statement: string) =>
    withClient(urlOf('postgres'), async (client) => void (await client.query(statement)));
  const close = () => server.stop();
  return {
    async template(name, build) {
      await administer(`CREATE DATABASE ${name}`);
      await migrate(urlOf(name), { test: true });
      await withClient(urlOf(name), build);
      if (kind === 'stock') await withClient(urlOf(name), clearStatistics);
    },
    async copy(template, name, prepare = '') {
      await administer(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`);
      await withClient(urlOf(name), async (client) => {
        await client.query(prepare);
        await warmUp(client);
      });
      return urlOf(name);
    },
    url: urlOf,
    drop: (name) => administer(`DROP DATABASE ${name} WITH (FORCE)`),
    close,
    [Symbol.asyncDispose]: close,
  };
}
