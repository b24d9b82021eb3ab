import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction } from '../../../../src/db/connect.ts';
import { type Instant, later, minuteMs, parseInstant } from '../../../../src/kernel/instant.ts';
import { until } from '../../../../testbed/until.ts';
import { readAlarms, readNodeAlarmParams, runRaiseAlarms } from '../../../support/alarms.ts';
import type { TestDatabase } from '../../../support/database.ts';
import {
  createShopWithNodes,
  readNode,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { createEndingSubscribers, createSubscriber } from '../../../support/shop.ts';

// Alarms about nodes that answer and do not add users.

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const after = (ms: number): Instant => later(start, ms);

const readNodeAlarmDetails = async (database: TestDatabase) => {
  const seen = await readNodeAlarmParams(database);
  return seen.map(({ reason, to_add, to_remove, error }) => ({ reason, to_add, to_remove, error }));
};

/** Waits until keepers have written an error, or until none is left. */
const hasError = (database: TestDatabase, error: RegExp | null) =>
  until(`the error is ${error}`, async () => {
    const { last_error: found } = await readNode(database, 'a');
    return error === null ? found === null : error.test(found ?? '');
  });

const writeProbeTime = (database: TestDatabase, at: Instant) =>
  until('it was probed', async () => (await readNode(database, 'a')).last_seen_at === at);

/** Moves the clock, and waits until a keeper has probed at that time. */
async function probeAt(database: TestDatabase, at: Instant): Promise<void> {
  await database.setClock(at);
  await writeProbeTime(database, at);
}

interface Block {
  readonly what: string;
  block(database: TestDatabase, node: Awaited<ReturnType<typeof startNode>>): Promise<unknown>;
  readonly error: RegExp;
  repair(database: TestDatabase, node: Awaited<ReturnType<typeof startNode>>): Promise<unknown>;
}

const setNode = (change: string) => (database: TestDatabase) =>
  sql.raw(`UPDATE perennial.node SET ${change}`).execute(database.db);

const blocks: readonly Block[] = [
  {
    what: 'lacks an inbound',
    block: setNode(`inbounds = '{missing,vless}'`),
    error: /no inbound "missing"/,
    repair: setNode(`inbounds = '{vless}'`),
  },
  {
    what: 'is given a flow that no node knows',
    block: setNode(`link = link || '{"flow": "visoin"}'`),
    error: /link\.flow: "visoin"/,
    repair: setNode(`link = link - 'flow'`),
  },
  {
    what: 'answers probes and no other call',
    block: async (_, node) => {
      node.conduct = ({ method }) => (method === 'GetSysStats' ? 'serve' : 'garbage');
    },
    error: /can't be read/,
    repair: async (_, node) => {
      node.conduct = () => 'serve';
    },
  },
];

test.each(blocks.map((one) => [one.what, one] as const))(
  'S8: a node that answers and %s raises an alarm after 2 minutes, and it is over when additions continue',
  async (_, { block, error, repair }) => {
    using node = await startNode();
    await using database = await createShopWithNodes({ a: { api: node.api } }, { now: start });
    await createSubscriber(database, 1n, 100_000n);
    await using _keepers = startTestKeepers(database);
    await untilSynced(database);
    await probeAt(database, after(1));
    await block(database, node);
    await createSubscriber(database, 2n, 100_000n);
    await createSubscriber(database, 3n, 100_000n);
    await hasError(database, error);
    await probeAt(database, after(2 * minuteMs));
    await runRaiseAlarms(database, after(2 * minuteMs));
    expect(await readAlarms(database)).toEqual([]);
    await probeAt(database, after(2 * minuteMs + 1));
    await runRaiseAlarms(database, after(2 * minuteMs + 1));
    await runRaiseAlarms(database, after(3 * minuteMs));
    expect(await readAlarms(database)).toEqual(['alarm_node a']);
    expect(await readNodeAlarmDetails(database)).toEqual([
      { reason: 'additions', to_add: 2, to_remove: 0, error: expect.stringMatching(error) },
    ]);
    await repair(database, node);
    await untilSynced(database, 'a', 40_000);
    await runRaiseAlarms(database, after(3 * minuteMs));
    expect(await readAlarms(database)).toEqual(['alarm_node a', 'alarm_over alarm_node a']);
  },
  60_000,
);

test('S8: a node that cannot be seeded counts the users that have no mark yet', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ a: { api: node.api } }, { now: start });
  await createEndingSubscribers(database, 5, '2026-12-25T09:01:00Z');
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  await setNode(`inbounds = '{missing,vless}', seeded_boot_at = NULL, seed_after = NULL`)(database);
  await using _ = startTestKeepers(database);
  await probeAt(database, after(2 * minuteMs));
  await hasError(database, /no inbound "missing"/);
  await probeAt(database, after(4 * minuteMs));
  await runRaiseAlarms(database, after(4 * minuteMs));
  expect(await readNodeAlarmDetails(database)).toMatchObject([{ reason: 'additions', to_add: 5 }]);
}, 60_000);

test('S8: a user that a node refuses raises the alarm, also if others are added', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ a: { api: node.api } }, { now: start });
  await using _ = startTestKeepers(database);
  const refusedUser = await createSubscriber(database, 1n, 100_000n);
  await untilSynced(database);
  await database.query`
    INSERT INTO perennial.access_sync (node_id, credential_id, attempts, last_error,
      next_attempt_at, marked_at)
    SELECT 'a', id, 1, 'the node refused it', ${'2026-11-25T10:00:00Z'}::timestamptz,
      ${'2026-11-25T09:00:00Z'}::timestamptz
    FROM perennial.credential WHERE subscription_id = ${refusedUser}`;
  await probeAt(database, after(2 * minuteMs));
  await createSubscriber(database, 2n, 100_000n);
  await until('the other user is added', () => node.listUserNames('vless').length === 2);
  await runRaiseAlarms(database, after(2 * minuteMs));
  expect(await readNodeAlarmDetails(database)).toMatchObject([
    { reason: 'additions', to_add: 1, error: 'the node refused it' },
  ]);
  await database.query`DELETE FROM perennial.access_sync`;
  await runRaiseAlarms(database, after(3 * minuteMs));
  expect(await readAlarms(database)).toEqual(['alarm_node a', 'alarm_over alarm_node a']);
}, 60_000);

test('S8: a backlog that moves, a quarantined user and a short outage raise no alarm', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ a: { api: node.api } }, { now: start });
  const one = await createSubscriber(database, 1n, 100_000n);
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  const mark = (lost: number) => sql`
    INSERT INTO perennial.access_sync (node_id, credential_id, lost, attempts, next_attempt_at, marked_at)
    SELECT 'a', id, ${lost}, ${lost}, ${'2026-11-25T10:00:00Z'}::timestamptz,
      ${'2026-11-25T09:00:00Z'}::timestamptz
    FROM perennial.credential WHERE subscription_id = ${one}`;
  await probeAt(database, after(10 * minuteMs));
  // Not tried yet, while another user was just added.
  await mark(0).execute(database.db);
  await createSubscriber(database, 2n, 100_000n);
  await until(
    'the addition is stored',
    async () => (await readNode(database, 'a')).added_at === after(10 * minuteMs),
  );
  await runRaiseAlarms(database, after(10 * minuteMs));
  expect(await readAlarms(database)).toEqual([]);
  // In quarantine as a suspect, which has its own alarm.
  await database.query`DELETE FROM perennial.access_sync`;
  await mark(2).execute(database.db);
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    VALUES ('keep-node', ${`a/${one}`}, 'kills_node', ${'2026-11-25T10:00:00Z'}::timestamptz,
      ${'2026-11-25T09:00:00Z'}::timestamptz)`;
  await probeAt(database, after(20 * minuteMs));
  await runRaiseAlarms(database, after(20 * minuteMs));
  expect(await readAlarms(database)).toEqual([]);
  // Back after an outage: the marks of that time have 2 minutes again.
  await database.query`DELETE FROM perennial.quarantine`;
  await database.query`DELETE FROM perennial.access_sync`;
  await database.query`UPDATE perennial.node SET down_since = ${'2026-11-25T09:10:00Z'}`;
  await mark(0).execute(database.db);
  await probeAt(database, after(30 * minuteMs));
  await runRaiseAlarms(database, after(30 * minuteMs));
  expect(await readAlarms(database)).toEqual([]);
}, 60_000);

test('S8: a node whose row another session has locked raises the alarm, and the check does not wait', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ a: { api: node.api } }, { now: start });
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  await inTransaction(database.db, async (tx) => {
    await sql`SELECT FROM perennial.node FOR UPDATE`.execute(tx);
    await runRaiseAlarms(database, after(2 * minuteMs));
  });
  expect(await readNodeAlarmDetails(database)).toMatchObject([
    { reason: 'down', error: 'another session has locked the row of this node' },
  ]);
});
