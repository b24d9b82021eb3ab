import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applySteps } from '../catalog/apply.ts';
import { diffCatalog } from '../catalog/diff.ts';
import type { Config } from '../config/config.ts';
import { readClock, setClock } from '../db/clock.ts';
import { type Db, inTransaction, openDatabase, openPool } from '../db/connect.ts';
import { createFolder } from '../db/embedded/folder.ts';
import { startEmbedded } from '../db/embedded.ts';
import { migrate } from '../db/migrate.ts';
import { resetDatabase } from '../db/reset.ts';
import { formatHeader, formatLine } from '../import-export/format.ts';
import { importCustomers } from '../import-export/import.ts';
import { UsageFault } from '../kernel/faults.ts';
import { hourMs, type Instant, instant } from '../kernel/instant.ts';
import { generateTestData } from './test-data.ts';

// The database of a demo: a test database in its own folder, created again by each demo.

/** Marks a folder of a demo, which the next demo may delete. */
const markFile = 'made-by-perennial-demo';

export interface DemoDatabase {
  readonly db: Db;
  readonly url: string;
  readonly now: Instant;
  close(): Promise<void>;
}

export interface DemoDatabaseOptions {
  readonly dataDir: string;
  /** Plans, prices, settings and nodes. */
  readonly catalog: Config;
  readonly customers: number;
  readonly seed: number;
  /** The start of the virtual time; undefined: the present hour. */
  readonly from: Instant | undefined;
}

/** @throws UsageFault `not_a_demo`, or if the folder is in use */
export async function createDemoDatabase(options: DemoDatabaseOptions): Promise<DemoDatabase> {
  const { dataDir } = options;
  await markFolder(dataDir);
  const server = await startEmbedded({
    dataDir,
    owner: 'service',
    settings: { shared_buffers: '128MB' },
  });
  try {
    await resetDatabase(server.url);
    await migrate(server.url, { test: true, madeBy: 'demo' });
    const db = openDatabase(openPool(server.url));
    const now = await fillDatabase(db, server.url, options);
    return {
      db,
      url: server.url,
      now,
      async close() {
        await db.destroy();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function markFolder(dataDir: string): Promise<void> {
  const mark = join(dataDir, markFile);
  if (existsSync(join(dataDir, 'postgres')) && !existsSync(mark)) {
    throw new UsageFault(
      'not_a_demo',
      `data folder ${dataDir}: contains a database that is not of a demo; expected another folder in PERENNIAL_DATA_DIR`,
    );
  }
  try {
    await createFolder(dataDir, 0o711);
    await writeFile(mark, '"perennial demo" generated the data in this folder.\n');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageFault(
      'data_dir',
      `data folder ${dataDir}: can't be written (${code}); name another one in PERENNIAL_DATA_DIR`,
      error,
    );
  }
}

async function fillDatabase(db: Db, url: string, options: DemoDatabaseOptions): Promise<Instant> {
  // A full hour, so that the first hour of the view is complete.
  const now = options.from ?? instant(Math.floor((await readClock(db)) / hourMs) * hourMs);
  await setClock(db, now);
  await inTransaction(db, async (tx) => {
    await applySteps(tx, await diffCatalog(tx, options.catalog, now), 'demo', now);
  });
  const { customers, seed } = options;
  const outcome = await importCustomers({
    url,
    source: generateCsv(customers, seed, now),
    format: 'csv',
    currency: options.catalog.file.currency,
    actor: 'demo',
  });
  if (outcome.outcome === 'refused') {
    throw new UsageFault('bad_book', `the generated data was refused: ${JSON.stringify(outcome)}`);
  }
  return now;
}

async function* generateCsv(customers: number, seed: number, now: Instant): AsyncGenerator<Buffer> {
  yield Buffer.from(formatHeader('csv'));
  for (const line of generateTestData({ customers, seed, now }))
    yield Buffer.from(formatLine('csv', line));
}
