import { runMarkingJobs } from '../../src/access/marking-jobs.ts';
import { applySteps } from '../../src/catalog/apply.ts';
import { describeStep, diffCatalog } from '../../src/catalog/diff.ts';
import { type Config, parseConfig } from '../../src/config/config.ts';
import { readClock } from '../../src/db/clock.ts';
import { inTransaction } from '../../src/db/connect.ts';
import type { TestDatabase } from './database.ts';

// Plans, prices and nodes from a configuration, as `perennial apply` writes them.

export const createConfig = (text: string): Config => ({
  path: 'perennial.yaml',
  file: parseConfig(text, 'perennial.yaml'),
  database: undefined,
  dataDir: '/nowhere',
  dataDirNamed: false,
  logLevel: 'info',
});

/** Applies a configuration. @returns its steps as `apply` prints them */
export async function applyConfig({ db }: TestDatabase, config: Config): Promise<string[]> {
  const steps = await inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    const found = await diffCatalog(tx, config, now);
    await applySteps(tx, found, 'test', now);
    return found;
  });
  await runMarkingJobs(db);
  return steps.map(describeStep);
}
