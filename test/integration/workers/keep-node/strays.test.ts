import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import { adopt } from '../../../../src/workers/reconcile-xray-state/adopt.ts';
import type { CallBehavior, EmbeddedNodeOptions } from '../../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import type { NodeApi } from '../../../../src/xray/port.ts';
import { formatUserName } from '../../../../src/xray/user-names.ts';
import { until } from '../../../../testbed/until.ts';
import { readCredential, runComparison } from '../../../support/comparison.ts';
import { listContractNodes } from '../../../support/contract-nodes.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { hookPool, type StatementEvent } from '../../../support/hooked-pool.ts';
import {
  createShopWithNodes,
  readNode,
  startNode,
  startTestKeepers,
  type TestNode,
  untilSynced,
} from '../../../support/nodes.ts';
import { accounts, openRawNode } from '../../../support/raw-xray-calls.ts';
import { createSubscriber } from '../../../support/shop.ts';

// Names on a node that no credential of the books says anything about: removed by their keeper, after
// a person said so of what was found then, and of nothing else.

const createCredentialId = () => randomUUID() as CredentialId;

interface StrayScene {
  readonly database: TestDatabase;
  readonly node: TestNode;
  readonly api: NodeApi;
  /** A customer who is on the node. */
  readonly id: CredentialId;
  /** A name of ours that the books have never heard of, put there. */
  stray(): Promise<{ id: CredentialId; name: string }>;
}

async function createStrayScene(
  inbounds?: EmbeddedNodeOptions['inbounds'],
  hook: (moment: StatementEvent) => Promise<void> | void = () => undefined,
) {
  const node = await startNode(inbounds);
  const options = { wrapPool: (pool: TestDatabase['pool']) => hookPool(pool, hook) };
  const database = await createShopWithNodes({ 'nl-1': { api: node.api } }, options);
  const api = connectNode({ api: node.api });
  onTestFinished(async () => {
    api.close();
    node.stop();
    await database.close();
  });
  const id = await readCredential(database, await createSubscriber(database, 1n, 0n));
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  const stray = async () => {
    const strayId = createCredentialId();
    const name = formatUserName('perennial', strayId);
    await api.addUser('vless', { name, id: strayId, flow: '' });
    return { id: strayId, name };
  };
  return { database, node, api, id, stray } satisfies StrayScene;
}

const confirmStrays = (database: TestDatabase) =>
  runComparison(database, { requestedNode: 'nl-1', confirmed: true });

const readStrays = async ({ db }: TestDatabase): Promise<string[]> =>
  (await db.selectFrom('perennial.stray').select('name').orderBy('name').execute()).map(
    ({ name }) => name,
  );

async function untilWorkedOff(database: TestDatabase): Promise<void> {
  await until('no strays are left', async () =>
    (await readStrays(database)).length === 0 ? true : undefined,
  );
  await untilSynced(database);
}

/** The books get a credential of this id, as an import brings one, with its marks. */
async function insertCredential(database: TestDatabase, id: CredentialId): Promise<void> {
  await sql`
    WITH s AS (
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at)
      SELECT id, 'paid', 'basic', 30, 'active', perennial.clock(),
        perennial.clock() + interval '30 days' FROM perennial.customer RETURNING id, customer_id),
    c AS (
      INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at)
      SELECT ${id}, id, customer_id, perennial.clock() FROM s RETURNING id)
    INSERT INTO perennial.access_sync (node_id, credential_id, next_attempt_at, marked_at)
    SELECT n.id, ${id}, perennial.clock(), perennial.clock() FROM perennial.node n`.execute(
    database.db,
  );
}

test('X3: what was found is removed after it was confirmed; what comes later is not confirmed by that', async () => {
  const { database, node, api, id, stray } = await createStrayScene();
  const first = await stray();
  await runComparison(database, { requestedNode: 'nl-1' });
  expect(await readStrays(database)).toEqual([]);
  expect(await confirmStrays(database)).toMatchObject({
    detail: { unknown: 1, confirmed: 1, marked: 0 },
  });
  expect(await confirmStrays(database)).toMatchObject({ detail: { unknown: 1, confirmed: 0 } });
  const second = await stray();
  await api.addUser('vless', { name: 'bob', id: createCredentialId(), flow: '' });
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  const ours = formatUserName('perennial', id);
  expect([...node.listUserNames('vless')].sort()).toEqual(['bob', ours, second.name].sort());
  await runComparison(database, { requestedNode: 'nl-1' });
  expect(await readStrays(database)).toEqual([]);
  // The same name once more is a later one too.
  await api.addUser('vless', { name: first.name, id: first.id, flow: '' });
  expect(await runComparison(database, { requestedNode: 'nl-1' })).toMatchObject({
    detail: { unknown: 2 },
  });
  await untilSynced(database);
  expect(node.listUserNames('vless')).toContain(first.name);
});

test('X3: a confirmation ends with the life of the node: another installation may have come since', async () => {
  const { database, node, api, stray } = await createStrayScene();
  const { name, id } = await stray();
  // That it began an hour ago: the next start is another one for certain.
  await sql`
    UPDATE perennial.node SET boot_at = boot_at - interval '1 hour',
      seeded_boot_at = seeded_boot_at - interval '1 hour'`.execute(database.db);
  await confirmStrays(database);
  await node.restart();
  await api.readHealth().catch(() => undefined);
  await api.addUser('vless', { name, id, flow: '' });
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  expect(node.listUserNames('vless')).toContain(name);
});

test('X3: without a keeper nothing is removed, and what was confirmed is not marked', async () => {
  const { database, node, stray } = await createStrayScene();
  const { name } = await stray();
  await confirmStrays(database);
  const { rows } = await sql`SELECT FROM perennial.access_sync`.execute(database.db);
  expect(rows).toEqual([]);
  expect(node.listUserNames('vless')).toContain(name);
});

/** The keeper's statements about strays, by what they do. */
const moments = {
  'after it was confirmed': undefined,
  'after its keeper read it': ['after', 'x.next_attempt_at <= perennial.clock()'],
  'before the books are asked once more': ['before', 'c.id IN ('],
} as const;

test.for(Object.entries(moments))(
  'X2 X3: a credential that came to life %s is not removed',
  async ([, moment]) => {
    let meanwhile: (() => Promise<void>) | undefined;
    const { database, node, stray } = await createStrayScene(
      undefined,
      async ({ when, sql: text }) => {
        if (moment === undefined || when !== moment[0] || !text.includes(moment[1])) return;
        const now = meanwhile;
        meanwhile = undefined;
        await now?.();
      },
    );
    const { id, name } = await stray();
    await confirmStrays(database);
    if (moment === undefined) await insertCredential(database, id);
    else meanwhile = () => insertCredential(database, id);
    const removed: string[] = [];
    node.conduct = ({ method, name: about }) => {
      if (method === 'AlterInbound' && !node.listUserNames('vless').includes(about))
        removed.push(about);
      return 'serve';
    };
    await using _ = startTestKeepers(database);
    await untilWorkedOff(database);
    expect(meanwhile).toBeUndefined();
    expect(node.accepts('vless', id)).toBe(true);
    expect(node.listUserNames('vless')).toContain(name);
    expect(removed).toEqual([]);
  },
);

test('X2: one that came to life while its removal was under way is put back by its mark', async () => {
  const { database, node, stray } = await createStrayScene();
  const { id, name } = await stray();
  await confirmStrays(database);
  let todo = true;
  node.conduct = async ({ method, name: about }): Promise<CallBehavior> => {
    if (method === 'AlterInbound' && about === name && todo) {
      todo = false;
      await insertCredential(database, id);
      // As if its mark had been worked off already, by a keeper that nobody knows of any more.
      await sql`DELETE FROM perennial.access_sync`.execute(database.db);
    }
    return 'serve';
  };
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  expect(todo).toBe(false);
  expect(node.accepts('vless', id)).toBe(true);
});

test('a removal that fails is tried again until it is done', async () => {
  const { database, node, stray } = await createStrayScene();
  const { name } = await stray();
  await confirmStrays(database);
  let failures = 2;
  node.conduct = ({ method }) => {
    if (method !== 'AlterInbound' || failures === 0) return 'serve';
    failures -= 1;
    return 'garbage';
  };
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  expect(failures).toBe(0);
  expect(node.listUserNames('vless')).not.toContain(name);
});

const createAdoption = (database: TestDatabase, names?: string[]) => ({
  ...{ db: database.db, url: database.url, node: 'nl-1', names, dryRun: false, actor: 'test' },
  signal: new AbortController().signal,
});

describe.each(listContractNodes('adoption'))('$title', (subject) => {
  test.skipIf(subject.missing !== undefined)(
    "somebody else's name with our UUID is taken over: it goes, and the customer is let in by ours",
    async () => {
      const tags = ['vless-a', 'trojan-a', 'vmess-a'];
      const node = await subject.start();
      const database = await createShopWithNodes({ 'nl-1': { api: node.api, inbounds: tags } });
      const api = connectNode({ api: node.api });
      onTestFinished(async () => {
        api.close();
        await node.stop();
        await database.close();
      });
      const id = await readCredential(database, await createSubscriber(database, 1n, 0n));
      await using _ = startTestKeepers(database);
      await untilSynced(database);
      const foreign = { name: 'panel-7', id, flow: '' } as const;
      for (const tag of ['vless-a', 'trojan-a']) await api.addUser(tag, foreign);
      await api.addUser('vless-a', { name: 'bob', id: createCredentialId(), flow: '' });
      const [conflict] = (await adopt({ ...createAdoption(database), dryRun: true }, connectNode))
        .sample;
      expect(conflict).toMatchObject({ name: 'panel-7', telegramId: 1n });
      await expect(adopt(createAdoption(database, ['bob']), connectNode)).rejects.toMatchObject({
        code: 'no_conflict',
        message: expect.stringContaining('"bob" carries no UUID of a customer there'),
      });
      expect(await readStrays(database)).toEqual([]);
      expect(await adopt(createAdoption(database, ['Panel-7']), connectNode)).toMatchObject({
        count: 1,
        left: 0,
      });
      await untilWorkedOff(database);
      for (const tag of tags) {
        expect(await api.findUser(tag, 'panel-7')).toBeUndefined();
        expect(await api.findUser(tag, formatUserName('perennial', id))).toMatchObject({ id });
      }
      expect(await api.findUser('vless-a', 'bob')).toBeDefined();
      expect(await runComparison(database, { requestedNode: 'nl-1' })).toMatchObject({
        detail: { conflict: 0 },
      });
      const { rows } = await sql`
        SELECT action, detail FROM perennial.event ORDER BY id DESC LIMIT 1`.execute(database.db);
      expect(rows).toEqual([{ action: 'adopted', detail: { node: 'nl-1', name: 'panel-7' } }]);
    },
    60_000,
  );
});

test('X5: a name that carries another UUID by now is left alone', async () => {
  const { database, node, api, id } = await createStrayScene();
  await api.addUser('vless', { name: 'panel-7', id, flow: '' });
  await adopt(createAdoption(database), connectNode);
  const another = createCredentialId();
  await api.removeUser('vless', 'panel-7');
  await api.addUser('vless', { name: 'panel-7', id: another, flow: '' });
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  expect(node.accepts('vless', another)).toBe(true);
  expect(node.accepts('vless', id)).toBe(true);
});

test('of names on a VMess inbound the one that is none is left: nobody can remove it', async () => {
  const { database, api, id } = await createStrayScene([{ tag: 'vless', protocol: 'vmess' }]);
  await api.addUser('vless', { name: 'panel-7', id, flow: '' });
  const raw = openRawNode((await readNode(database, 'nl-1')).api);
  onTestFinished(() => raw.close());
  await raw.add('vless', '', accounts.vmess(id));
  expect(await runComparison(database, { requestedNode: 'nl-1' })).toMatchObject({
    detail: { conflict: 2 },
  });
  expect(await adopt(createAdoption(database), connectNode)).toMatchObject({ count: 1, left: 0 });
  expect(await readStrays(database)).toEqual(['panel-7']);
});

test('a keeper that ends between the removal and its record leaves nobody shut out', async () => {
  let ends = true;
  const { database, node, api, id } = await createStrayScene(undefined, ({ when, sql: text }) => {
    if (!ends || when !== 'before' || !text.includes('hurt AS')) return;
    ends = false;
    throw new Error('Connection terminated unexpectedly');
  });
  await api.addUser('vless', { name: 'panel-7', id, flow: '' });
  await adopt(createAdoption(database), connectNode);
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  expect(ends).toBe(false);
  expect(node.listUserNames('vless')).toEqual([formatUserName('perennial', id)]);
  expect(node.accepts('vless', id)).toBe(true);
});

test('S2: what a replaced keeper did about a stray is mended: its record strikes nothing and marks', async () => {
  const { database, node, api, id } = await createStrayScene();
  await api.addUser('vless', { name: 'panel-7', id, flow: '' });
  await adopt(createAdoption(database), connectNode);
  node.conduct = async ({ method, name }): Promise<CallBehavior> => {
    // The removal arrives late: somebody else has the post by then, and worked off everything.
    if (method === 'AlterInbound' && name === 'panel-7') {
      node.conduct = () => 'serve';
      await sql`UPDATE perennial.node SET keeper_epoch = keeper_epoch + 1`.execute(database.db);
    }
    return 'serve';
  };
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  expect(node.listUserNames('vless')).toEqual([formatUserName('perennial', id)]);
  expect(node.accepts('vless', id)).toBe(true);
});
