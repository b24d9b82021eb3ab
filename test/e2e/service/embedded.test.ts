import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ensureServerAccount, runAs } from '../../../src/db/embedded/account.ts';
import { findBinaries } from '../../../src/db/embedded/binaries.ts';
import { startEmbedded } from '../../../src/db/embedded.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { createDueSubscriptions, readRenewalState } from '../../support/due-subscriptions.ts';
import { startPerennial } from '../../support/perennial-process.ts';
import { createBatchGate } from './batch-gate.ts';

// A service with an embedded PostgreSQL that restarts, and one that the service owns.

// Generous, because the tests start processes on machines that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'perennial-service-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

test('P9: a restart of the database server during a batch fails the run, and the service recovers by itself', async () => {
  const server = await startEmbedded({ dataDir, owner: 'service', durable: false });
  try {
    await migrate(server.url);
    await createDueSubscriptions(server.url, 60);
    const gate = await createBatchGate(server.url, 'endless');
    await gate.close();
    await using service = startPerennial(['start'], { url: server.url, autoRenewal: 'batch: 20' });
    await service.untilReady();
    await gate.untilHeld();
    const account = await ensureServerAccount();
    const { pg_ctl } = await findBinaries(account);
    // The restart also ends the lock of the gate, so the gate stays open.
    const restarted = await runAs(account, pg_ctl, [
      ...['restart', '-D', join(dataDir, 'postgres'), '-m', 'fast', '-w', '-s'],
      ...['-l', join(dataDir, 'postgres', 'restart.log')],
    ]);
    expect(restarted.code).toBe(0);
    await service.untilRun({ outcome: 'success', changed: 60 });
    expect(await readRenewalState(server.url)).toMatchObject({
      renewals: 60,
      quarantined: 0,
      violations: [],
    });
    service.kill('SIGTERM');
    expect(await service.exit).toMatchObject({ code: 0 });
  } finally {
    await server.stop();
  }
}, 120_000);

test('`start` with an embedded database owns its server, and stops it on exit', async () => {
  const options = { url: 'embedded', dataDir };
  expect(await startPerennial(['migrate'], options).exit).toMatchObject({ code: 0 });
  await using service = startPerennial(['start'], options);
  await service.untilReady();
  const second = await startPerennial(['start'], options).exit;
  expect(second.code).toBe(2);
  expect(second.err).toMatch(/belongs to a running perennial/);
  // A command uses the server of the service.
  const run = await startPerennial(['run', 'auto-renewal', '--json'], options).exit;
  expect(JSON.parse(run.out)).toMatchObject({ outcome: 'success', examined: 0 });
  service.kill('SIGTERM');
  expect(await service.exit).toMatchObject({ code: 0 });
  const after = await startPerennial(['run', 'auto-renewal', '--json'], options).exit;
  expect(after.code).toBe(0);
}, 120_000);
