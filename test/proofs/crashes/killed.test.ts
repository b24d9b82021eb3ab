import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../../testbed/until.ts';
import { type BreakableDatabase, createBreakableDatabase } from '../../support/broken-statement.ts';
import { startProcess } from '../../support/child-process.ts';
import {
  commands,
  createCommandCustomers,
  customerCreatedAt,
} from '../../support/customer-commands.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  type DatabaseSnapshot,
  findViolations,
  readDatabaseSnapshot,
} from '../../support/database-snapshot.ts';
import {
  createdAt,
  createEndedSubscriptions,
  createMixedRenewals,
  createSixReminderCustomers,
} from '../../support/mixed-renewals.ts';
import { createCaller, runAutoRenewal, runWorker } from '../../support/shop.ts';

// A process crashes (SIGKILL) before or after a statement of its work, and the work is repeated.
// The result equals that of one undisturbed run. Here some statements of each work are tried,
// always with both sides of COMMIT. `npm run proof:crashes` tries all.

const all = process.env.CRASHES === 'all';

/** The number of other points, by work. A process costs a third of a second. */
const middlePoints = { run: 4, command: 1 };

interface KillPoint {
  readonly n: number;
  readonly when: 'before' | 'after';
}

function choosePoints(statements: readonly string[], some: number): KillPoint[] {
  const points = statements.flatMap((_, at): KillPoint[] => [
    { n: at + 1, when: 'before' },
    { n: at + 1, when: 'after' },
  ]);
  if (all) return points;
  const step = Math.ceil(points.length / (some + 1));
  return points.filter(
    (point, at) => at % step === step - 1 || statements[point.n - 1] === 'commit',
  );
}

/** Waits until only this process is connected, so that the crashed process holds no locks. */
async function untilNoOtherClients(database: TestDatabase): Promise<void> {
  await until('the end of the connections of the killed process', async () => {
    const rows = await database.query<{ others: number }>`
      SELECT count(*)::int AS others FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'perennial'
        AND NOT pid = ANY(${`{${await readOwnPids(database)}}`}::int[])`;
    return rows[0]?.others === 0;
  });
}

async function readOwnPids({ pool }: TestDatabase): Promise<string> {
  const clients = (pool as unknown as { _clients: { processID: number }[] })._clients;
  return clients.map(({ processID }) => processID).join(',');
}

async function runKilled(
  database: TestDatabase,
  work: string,
  { n, when }: KillPoint,
): Promise<void> {
  const entry = new URL('./crash-process.ts', import.meta.url);
  await using child = startProcess(entry, [database.url, work, String(n), when]);
  const { signal, lines } = await child.exit;
  expect({ signal, lines }, `${work} killed ${when} statement ${n}`).toEqual({
    signal: 'SIGKILL',
    lines: [],
  });
  await untilNoOtherClients(database);
}

/**
 * Crashes at each point, then repeats the work. No promise is violated in between, and all work is
 * done at the end.
 */
async function expectSameResult(
  place: BreakableDatabase,
  work: string,
  some: number,
  afterRepeat: () => Promise<unknown>,
): Promise<void> {
  const { database } = place;
  await place.restore();
  const before = await readDatabaseSnapshot(database.db);
  const { statements } = await place.run(afterRepeat);
  const after: DatabaseSnapshot = await readDatabaseSnapshot(database.db);
  for (const point of choosePoints(statements, some)) {
    const where = `${point.when} ${statements[point.n - 1]}`;
    await place.restore();
    await runKilled(database, work, point);
    expect(await findViolations(database.db), where).toEqual([]);
    expect([before, after], where).toContainEqual(await readDatabaseSnapshot(database.db));
    await afterRepeat();
    expect(await readDatabaseSnapshot(database.db), where).toEqual(after);
  }
}

let customer: BreakableDatabase;
let batch: BreakableDatabase;
let expectEnded: BreakableDatabase;
let reminded: BreakableDatabase;

beforeAll(async () => {
  customer = await createBreakableDatabase(createCommandCustomers, customerCreatedAt);
  batch = await createBreakableDatabase(createMixedRenewals, createdAt);
  expectEnded = await createBreakableDatabase(createEndedSubscriptions, createdAt);
  reminded = await createBreakableDatabase(createSixReminderCustomers, createdAt);
});

afterAll(async () => {
  await customer[Symbol.asyncDispose]();
  await batch[Symbol.asyncDispose]();
  await expectEnded[Symbol.asyncDispose]();
  await reminded[Symbol.asyncDispose]();
});

test('R2 R15: a run that crashes at a statement and is repeated has the result of one run', async () => {
  await expectSameResult(batch, 'auto-renewal', middlePoints.run, () =>
    runAutoRenewal(batch.database),
  );
}, 600_000);

test('P8 F4: a run of expiry that crashes at a statement and is repeated has the result of one run', async () => {
  const afterRepeat = () => runWorker(expectEnded.database, 'fast-expiry-cleanup');
  await expectSameResult(expectEnded, 'fast-expiry-cleanup', middlePoints.run, afterRepeat);
}, 600_000);

// The crash of a courier: `courier.test.ts`.
test.each(['trial-notifications', 'expiry-reminders'])(
  'P8: a run of %s that crashes at a statement and is repeated has the result of one run',
  async (worker) => {
    await expectSameResult(reminded, worker, 2, () => runWorker(reminded.database, worker));
  },
  600_000,
);

test('P6: the next run closes a crashed run as lost', async () => {
  await batch.restore();
  const { database } = batch;
  await runKilled(database, 'auto-renewal', { n: 12, when: 'after' });
  await runAutoRenewal(database);
  const rows = await database.query`
    SELECT outcome, finished_at IS NOT NULL AS ended FROM perennial.worker_run
    WHERE worker = 'auto-renewal' ORDER BY id DESC LIMIT 2`;
  expect(rows).toEqual([
    { outcome: 'success', ended: true },
    { outcome: 'lost', ended: true },
  ]);
}, 60_000);

test.each(Object.entries(commands))(
  'R2 R16: %s that crashes at a statement and is repeated with its key has one effect',
  async (work, command) => {
    const afterRepeat = () => command(createCaller(customer.database, 'key-1'), false);
    await expectSameResult(customer, work, middlePoints.command, afterRepeat);
  },
  600_000,
);
