import { randomUUID } from 'node:crypto';
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

// Stray users: names on a node without a credential in the database. A keeper removes exactly those
// that a person confirmed.

const createCredentialId = () => randomUUID() as CredentialId;

interface StrayScene {
  readonly database: TestDatabase;
  readonly node: TestNode;
  readonly api: NodeApi;
  /** A customer with access to the node. */
  readonly id: CredentialId;
  /** Adds a name with our prefix that the database does not have. */
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
  await until('no strays are left', async () => (await readStrays(database)).length === 0);
  await untilSynced(database);
}

/** Adds a credential with this id and its marks, as an import does. */
async function insertCredential(database: TestDatabase, id: CredentialId): Promise<void> {
  await database.query`
    WITH s AS (
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at)
      SELECT id, 'paid', 'basic', 30, 'active', perennial.clock(),
        perennial.clock() + interval '30 days' FROM perennial.customer RETURNING id, customer_id),
    c AS (
      INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at)
      SELECT ${id}, id, customer_id, perennial.clock() FROM s RETURNING id)
    INSERT INTO perennial.access_sync (node_id, credential_id, next_attempt_at, marked_at)
    SELECT n.id, ${id}, perennial.clock(), perennial.clock() FROM perennial.node n`;
}

test('X3: a confirmation removes the users that were found before it, and no later ones', async () => {
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
  // The same name, added again, is also a later one.
  await api.addUser('vless', { name: first.name, id: first.id, flow: '' });
  expect(await runComparison(database, { requestedNode: 'nl-1' })).toMatchObject({
    detail: { unknown: 2 },
  });
  await untilSynced(database);
  expect(node.listUserNames('vless')).toContain(first.name);
});

test('X3: a confirmation ends with the boot of the node, because another installation may use the node now', async () => {
  const { database, node, api, stray } = await createStrayScene();
  const { name, id } = await stray();
  // The boot started an hour ago, so the next start is another boot for certain.
  await database.query`
    UPDATE perennial.node SET boot_at = boot_at - interval '1 hour',
      seeded_boot_at = seeded_boot_at - interval '1 hour'`;
  await confirmStrays(database);
  await node.restart();
  await api.readHealth().catch(() => undefined);
  await api.addUser('vless', { name, id, flow: '' });
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  expect(node.listUserNames('vless')).toContain(name);
});

test('X3: without a keeper no user is removed, and a confirmation writes no mark', async () => {
  const { database, node, stray } = await createStrayScene();
  const { name } = await stray();
  await confirmStrays(database);
  expect(await database.query`SELECT FROM perennial.access_sync`).toEqual([]);
  expect(node.listUserNames('vless')).toContain(name);
});

/** Statements of the keeper for stray users, by their purpose. */
const moments = {
  'after the confirmation': undefined,
  'after its keeper read it': ['after', 'x.next_attempt_at <= perennial.clock()'],
  'before the second check of the database': ['before', 'c.id IN ('],
} as const;

test.for(Object.entries(moments))(
  'X2 X3: a credential that becomes live %s is not removed',
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

test('X2: a credential that becomes live during its removal is added again by its mark', async () => {
  const { database, node, stray } = await createStrayScene();
  const { id, name } = await stray();
  await confirmStrays(database);
  let todo = true;
  node.conduct = async ({ method, name: about }): Promise<CallBehavior> => {
    if (method === 'AlterInbound' && about === name && todo) {
      todo = false;
      await insertCredential(database, id);
      // As if an earlier keeper had already applied its mark.
      await database.query`DELETE FROM perennial.access_sync`;
    }
    return 'serve';
  };
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  expect(todo).toBe(false);
  expect(node.accepts('vless', id)).toBe(true);
});

test('a failed removal is retried until it succeeds', async () => {
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
    'a foreign name with our UUID is adopted: it is removed, and the customer connects by our name',
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
        message: expect.stringContaining('"bob" is not a name with the UUID of a customer'),
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
      const rows = await database.query`
        SELECT action, detail FROM perennial.event ORDER BY id DESC LIMIT 1`;
      expect(rows).toEqual([{ action: 'adopted', detail: { node: 'nl-1', name: 'panel-7' } }]);
    },
    60_000,
  );
});

test('X5: a name with another UUID than the confirmed one is not removed', async () => {
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

test('an empty name on a VMess inbound stays, because no call can remove it', async () => {
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

test('a keeper that ends between a removal and its record locks out no customer', async () => {
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

test('S2: the record of a replaced keeper deletes no stray user, and marks the affected credentials', async () => {
  const { database, node, api, id } = await createStrayScene();
  await api.addUser('vless', { name: 'panel-7', id, flow: '' });
  await adopt(createAdoption(database), connectNode);
  node.conduct = async ({ method, name }): Promise<CallBehavior> => {
    // The removal arrives late: another keeper has the lease by then, and has applied all marks.
    if (method === 'AlterInbound' && name === 'panel-7') {
      node.conduct = () => 'serve';
      await database.query`UPDATE perennial.node SET keeper_epoch = keeper_epoch + 1`;
    }
    return 'serve';
  };
  await using _ = startTestKeepers(database);
  await untilWorkedOff(database);
  expect(node.listUserNames('vless')).toEqual([formatUserName('perennial', id)]);
  expect(node.accepts('vless', id)).toBe(true);
});
