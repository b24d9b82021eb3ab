import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { carryOut } from '../catalog/apply.ts';
import { difference } from '../catalog/difference.ts';
import type { Config } from '../config.ts';
import { readClock, setClock } from '../db/clock.ts';
import { type Db, inTransaction, openBooks, openPool } from '../db/connect.ts';
import { makeFolder } from '../db/embedded/folder.ts';
import { startEmbedded } from '../db/embedded.ts';
import { emptyDatabase } from '../db/empty.ts';
import { migrate } from '../db/migrate.ts';
import { UsageFault } from '../kernel/faults.ts';
import { hourMs, type Instant, instant } from '../kernel/instant.ts';
import { importBook } from '../transfer/import.ts';
import { headText, lineText } from '../transfer/written.ts';
import { generateBook } from './book.ts';

// The books of a demo: a folder of its own, a test database in it, made anew each time.

/** Says that what is in the folder was made up, and may be made anew. */
const markName = 'made-by-perennial-demo';

export interface MadeBooks {
  readonly db: Db;
  readonly url: string;
  readonly now: Instant;
  close(): Promise<void>;
}

export interface DemoRequest {
  readonly dataDir: string;
  /** Plans, prices, rules and nodes. */
  readonly catalog: Config;
  readonly customers: number;
  readonly seed: number;
  /** When it begins; the present hour, if it isn't said. */
  readonly from: Instant | undefined;
}

/** @throws UsageFault for a folder with books that are not a demo's, or that is in use */
export async function makeBooks(request: DemoRequest): Promise<MadeBooks> {
  const { dataDir } = request;
  await markFolder(dataDir);
  const server = await startEmbedded({
    dataDir,
    owner: 'service',
    settings: { shared_buffers: '128MB' },
  });
  try {
    await emptyDatabase(server.url);
    await migrate(server.url, { test: true, madeBy: 'demo' });
    const db = openBooks(openPool(server.url));
    const now = await fill(db, server.url, request);
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
  const mark = join(dataDir, markName);
  if (existsSync(join(dataDir, 'postgres')) && !existsSync(mark)) {
    throw new UsageFault(
      'not_a_demo',
      `data folder ${dataDir}: holds books that are not a demo's; name another one in PERENNIAL_DATA_DIR`,
    );
  }
  try {
    await makeFolder(dataDir, 0o711);
    await writeFile(mark, 'What is in this folder was made up by "perennial demo".\n');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageFault(
      'data_dir',
      `data folder ${dataDir}: can't be written (${code}); name another one in PERENNIAL_DATA_DIR`,
      error,
    );
  }
}

async function fill(db: Db, url: string, request: DemoRequest): Promise<Instant> {
  // A full hour, so that the first one shown is a whole one.
  const now = request.from ?? instant(Math.floor((await readClock(db)) / hourMs) * hourMs);
  await setClock(db, now);
  await inTransaction(db, async (tx) => {
    await carryOut(tx, await difference(tx, request.catalog, now), 'demo', now);
  });
  const { customers, seed } = request;
  const outcome = await importBook({
    url,
    source: bookBytes(customers, seed, now),
    format: 'csv',
    currency: request.catalog.file.currency,
    actor: 'demo',
  });
  if (outcome.outcome === 'refused') {
    throw new UsageFault('bad_book', `the generated book was refused: ${JSON.stringify(outcome)}`);
  }
  return now;
}

async function* bookBytes(customers: number, seed: number, now: Instant): AsyncGenerator<Buffer> {
  yield Buffer.from(headText('csv'));
  for (const line of generateBook({ customers, seed, now }))
    yield Buffer.from(lineText('csv', line));
}
