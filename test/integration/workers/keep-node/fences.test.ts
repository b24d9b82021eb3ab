import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction } from '../../../../src/db/connect.ts';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import { type Instant, instant } from '../../../../src/kernel/instant.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { readMarkPage, writeMarkResults } from '../../../../src/workers/keep-node/store.ts';
import type { CallBehavior, ReceivedCall } from '../../../../src/xray/embedded/node.ts';
import { until } from '../../../../testbed/until.ts';
import { startProcess } from '../../../support/child-process.ts';
import { hookPool } from '../../../support/hooked-pool.ts';
import {
  countMarks,
  createShopWithNodes,
  expectSynced,
  readEntitledNames,
  readNode,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { createEndingSubscribers, createSubscriber } from '../../../support/shop.ts';

// Rights that change while a keeper works. At the end the node equals the database, in any order of
// events.

type TestDb = Parameters<typeof readEntitledNames>[0]['db'];

/** Changes a right on a node, and writes its mark in the same transaction. */
async function retireCredential(db: TestDb, name: string): Promise<void> {
  const id = name.slice('perennial-'.length) as CredentialId;
  const { rows } = await sql<{ telegram_id: bigint }>`
    SELECT u.telegram_id FROM perennial.credential c JOIN perennial.customer u ON u.id = c.customer_id
    WHERE c.id = ${id}`.execute(db);
  const telegramId = rows[0]?.telegram_id ?? 0n;
  await revoke({ db, actor: 'test' }, { telegramId, reason: 'test' });
}

/** @returns a function that runs the work once */
function runOnce(work: () => Promise<unknown>): () => Promise<void> {
  let todo: typeof work | undefined = work;
  return async () => {
    const now = todo;
    todo = undefined;
    await now?.();
  };
}

/** Statements of the keeper, by their purpose. */
const moments = {
  'before its marks are read': ['before', 'UNION ALL'],
  'after its marks were read': ['after', 'UNION ALL'],
  'before the confirm': ['before', 'put_off AS'],
  'after the confirm, before its commit': ['after', 'put_off AS'],
} as const;

test.for(Object.entries(moments))(
  'S1: a right that changes %s is not confirmed by the older mark',
  async ([, [when, text]]) => {
    let meanwhile: (() => Promise<void>) | undefined;
    await using database = await createShopWithNodes(
      { 'nl-1': { api: '127.0.0.1:1' } },
      {
        wrapPool: (pool) =>
          hookPool(pool, async (moment) => {
            if (moment.when === when && moment.sql.includes(text)) await meanwhile?.();
          }),
      },
    );
    using node = await startNode();
    await database.query`UPDATE perennial.node SET api = ${node.api}`;
    await createSubscriber(database, 1n, 0n);
    const [name = ''] = await readEntitledNames(database);
    // After the confirmation the row is locked until the commit. A new mark would wait for it, so
    // this test does not wait for the mark.
    let changing: Promise<void> | undefined;
    meanwhile = runOnce(async () => {
      changing = retireCredential(database.db, name);
      if (when !== 'after' || text === 'UNION ALL') await changing;
    });
    await using _ = startTestKeepers(database);
    await until('the change', () => (changing === undefined ? undefined : true));
    await changing;
    await untilSynced(database);
    expect(await readEntitledNames(database)).toEqual([]);
    expect(node.listUserNames('vless')).toEqual([]);
  },
);

test('S1: a right that changes three times during a call is applied again', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createSubscriber(database, 1n, 0n);
  const [name = ''] = await readEntitledNames(database);
  const versions: bigint[] = [];
  const seen = runOnce(async () => {
    // Retired, restored, retired: each time there is a mark, with another version.
    for (const state of ['revoked', 'active', 'revoked']) {
      await database.query`UPDATE perennial.subscription SET state = ${state}`;
      const rows = await database.query<{ version: bigint }>`
        UPDATE perennial.access_sync SET version = nextval('perennial.access_sync_version')
        RETURNING version`;
      versions.push(rows[0]?.version ?? 0n);
    }
  });
  node.conduct = async ({ method }): Promise<CallBehavior> => {
    if (method === 'AlterInbound') await seen();
    return 'serve';
  };
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  expect(new Set(versions).size).toBe(3);
  expect(node.listUserNames('vless')).toEqual([]);
  expect(name).not.toBe('');
});

test('S1: a result confirms no mark that was made again after a confirmation', async () => {
  await using database = await createShopWithNodes({ 'nl-1': { api: '127.0.0.1:1' } });
  const { db } = database;
  const lease = { id: 'nl-1', epoch: 0n };
  const read = async () => {
    const page = await readMarkPage(db, lease, 10);
    return (page?.marks ?? []).map((mark) => ({ mark }));
  };
  type Worked = Awaited<ReturnType<typeof read>>;
  const confirm = (worked: Worked, epoch = 0n, bootAt: Instant | null = null) =>
    inTransaction(db, (tx) =>
      writeMarkResults(tx, { ...lease, epoch }, bootAt, worked, instant(0)),
    );
  await createSubscriber(database, 1n, 0n);
  const first = await read();
  expect(await confirm(first)).toBe(1);
  const [name = ''] = await readEntitledNames(database);
  await retireCredential(db, name);
  expect(await confirm(first)).toBe(0);
  // With another epoch or another boot nothing is confirmed, and the credential is marked again.
  const second = await read();
  expect(second).toMatchObject([{ mark: { wanted: false } }]);
  expect(await confirm(second, 1n)).toBe(0);
  const third = await read();
  expect(third[0]?.mark.version).toBeGreaterThan(second[0]?.mark.version ?? 0n);
  expect(await confirm(third, 0n, instant(0))).toBe(0);
  expect(await confirm(await read())).toBe(1);
});

test.for(['GetSysStats', 'ListInbounds', 'AlterInbound'])(
  'S3: a credential that is retired at a %s of a seed is not on the node at its end',
  async (method) => {
    using node = await startNode();
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    await createEndingSubscribers(database, 120, '2100-01-01T00:00:00Z');
    await using _ = startTestKeepers(database);
    await expectSynced(database, node);
    const names = await readEntitledNames(database);
    const calls: ReceivedCall[] = [];
    const retired = new Set<string>();
    const retiring: Promise<void>[] = [];
    node.conduct = async (call): Promise<CallBehavior> => {
      calls.push(call);
      // The first, the last and some others, at the moment of their call.
      const about = call.method === 'AlterInbound' ? call.name : (names[retired.size] ?? '');
      if (call.method === method && retired.size < 8 && !retired.has(about)) {
        retired.add(about);
        retiring.push(retireCredential(database.db, about));
        await retiring.at(-1);
      }
      return 'serve';
    };
    await node.restart();
    await until('the seeding', () => calls.length > 120);
    // Probes continue: a credential that a probe retires from here on is not a part of the seed.
    node.conduct = () => 'serve';
    await Promise.all(retiring);
    await untilSynced(database);
    await expectSynced(database, node);
    expect(retired.size).toBeGreaterThan(0);
    for (const name of retired) expect(node.listUserNames('vless')).not.toContain(name);
  },
);

test('S3: a node that restarts during its seed is seeded from the start', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createEndingSubscribers(database, 300, '2100-01-01T00:00:00Z');
  await using _ = startTestKeepers(database);
  await expectSynced(database, node);
  const seen = await readNode(database, 'nl-1');
  let adds = 0;
  node.conduct = ({ method }) => {
    if (method !== 'AlterInbound') return 'serve';
    adds += 1;
    if (adds !== 150) return 'serve';
    setTimeout(() => void node.restart(), 20);
    return 'crash';
  };
  await node.restart();
  await until('the second start', () => adds > 150);
  await expectSynced(database, node);
  await untilSynced(database);
  const now = await readNode(database, 'nl-1');
  expect(now.seeded_boot_at).toEqual(now.boot_at);
  expect(Number(now.boot_at)).toBeGreaterThanOrEqual(Number(seen.boot_at));
}, 60_000);

const entry = new URL('./keepers-process.ts', import.meta.url);

test.for(['before the node executes its call', 'after it'])(
  'S2: a keeper that is stopped %s, replaced and resumed sends no call and confirms nothing',
  { timeout: 60_000 },
  async (when) => {
    using node = await startNode();
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    // More than two lanes process at once.
    await createEndingSubscribers(database, 1_100, '2100-01-01T00:00:00Z');
    const names = await readEntitledNames(database);
    let gate: Promise<void> | undefined;
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    const waiting: string[] = [];
    const late: string[] = [];
    let probes = 0;
    node.conduct = async ({ method, name }): Promise<CallBehavior> => {
      if (method === 'GetSysStats') probes += 1;
      if (method !== 'AlterInbound') return 'serve';
      if (gate === undefined) {
        late.push(name);
        return 'serve';
      }
      waiting.push(name);
      await gate;
      return 'serve';
    };
    await using stopped = startProcess(entry, [database.url]);
    await until('its pending calls', () => waiting.length >= 32);
    // Calls before a probe arrive before it, and no call is sent before an answer.
    const probed = probes;
    await until('the second probe after the resume', () => probes > probed + 1);
    const pid = Number(
      (await stopped.untilLine('its pid', (line) => line.startsWith('pid '))).slice(4),
    );
    process.kill(pid, 'SIGSTOP');
    try {
      const held = [...waiting];
      if (when === 'after it') {
        open();
        await until(
          'the calls are executed',
          () => node.listUserNames('vless').length === held.length,
        );
      }
      const releaseCall = gate;
      gate = undefined;
      await using _ = startTestKeepers(database, { silentMs: 3_000 });
      await until(
        'the takeover',
        async () => (await readNode(database, 'nl-1')).keeper_epoch >= 2n,
      );
      const retired = [held[0] ?? '', names.find((name) => !held.includes(name)) ?? ''];
      for (const name of retired) await retireCredential(database.db, name);
      await untilSynced(database);
      await expectSynced(database, node);
      // The calls that were pending at the stop arrive now, also an add of a user that was removed
      // meanwhile.
      const before = late.length;
      open();
      await releaseCall;
      process.kill(pid, 'SIGCONT');
      await stopped.untilLine('that it lost the node', (line) => line.includes('and their nodes'));
      await until(
        'the correction of late calls',
        async () =>
          (await countMarks(database)) === 0 &&
          JSON.stringify([...node.listUserNames('vless')].sort()) ===
            JSON.stringify(await readEntitledNames(database)),
      );
      await untilSynced(database);
      for (const name of retired) expect(node.listUserNames('vless')).not.toContain(name);
      // The resumed keeper sends no other call. Calls after it resumed come from the next keeper,
      // for credentials whose result was unknown.
      expect(late.slice(before).filter((name) => !held.includes(name))).toEqual([]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  },
);
