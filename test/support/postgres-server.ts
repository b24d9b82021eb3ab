import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../../src/db/embedded.ts';
import { migrate } from '../../src/db/migrate.ts';

// One PostgreSQL for all tests of a run. Each test copies its database from a migrated template.

declare module 'vitest' {
  export interface ProvidedContext {
    /** The default database of the server, in which databases are created and dropped. */
    adminUrl: string;
  }
}

const templateName = 'database_template';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'perennial-test-'));
  const server = await startEmbedded({
    dataDir,
    owner: 'service',
    durable: false,
    // A copy of a template by files is fastest. Each worker has tests that open a dozen
    // connections.
    settings: { max_connections: 300 },
  });
  const adminUrl = new URL(server.url);
  adminUrl.pathname = '/postgres';
  const templateUrl = new URL(server.url);
  templateUrl.pathname = `/${templateName}`;
  const admin = new pg.Client({ connectionString: adminUrl.href });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${templateName}`);
  await migrate(templateUrl.href, { test: true });
  await admin.query(`ALTER DATABASE ${templateName} ALLOW_CONNECTIONS false IS_TEMPLATE true`);
  await admin.end();
  project.provide('adminUrl', adminUrl.href);
  return async () => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}
