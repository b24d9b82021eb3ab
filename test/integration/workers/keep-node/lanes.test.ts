import { expect, test } from 'vitest';
import { markAccess } from '../../../../src/access/credentials.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { inTransaction } from '../../../../src/db/connect.ts';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import { Lanes } from '../../../../src/workers/keep-node/lanes.ts';
import type { CallBehavior } from '../../../../src/xray/embedded/node.ts';
import { until } from '../../../../testbed/until.ts';
import {
  createShopWithNodes,
  expectSynced,
  readEntitledNames,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { createEndingSubscribers } from '../../../support/shop.ts';

test('two lanes fill a node and never share a credential, also if it is marked again meanwhile', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createEndingSubscribers(database, 1_300, '2100-01-01T00:00:00Z');
  const names = await readEntitledNames(database);
  const underWay = new Map<string, number>();
  const both: string[] = [];
  let [calls, most] = [0, 0];
  node.conduct = async ({ method, name }): Promise<CallBehavior> => {
    if (method !== 'AlterInbound') return 'serve';
    calls += 1;
    const already = underWay.get(name) ?? 0;
    if (already > 0) both.push(name);
    underWay.set(name, already + 1);
    most = Math.max(most, underWay.size);
    await new Promise((resolve) => setTimeout(resolve, 2));
    underWay.delete(name);
    return 'serve';
  };
  await using _ = startTestKeepers(database);
  await until('it is under way', () => calls > 200);
  const { rows } = await database.pool.query<{ id: CredentialId }>(
    'SELECT id FROM perennial.credential',
  );
  await inTransaction(database.db, async (tx) => {
    const ids = rows.map(({ id }) => id);
    await markAccess(tx, ids, await readClock(tx));
  });
  await untilSynced(database, 'nl-1', 60_000);
  await expectSynced(database, node);
  expect(names).toHaveLength(1_300);
  expect(both).toEqual([]);
  expect(most).toBeGreaterThan(32);
}, 90_000);

const never = new AbortController().signal;

test('one lane reads while the other works, and both end if one finds no work', async () => {
  const lanes = new Lanes();
  let [reading, working, mostWorking, pages] = [0, 0, 0, 0];
  await lanes.run(never, async ({ pass }) => {
    reading += 1;
    expect(reading).toBe(1);
    await Promise.resolve();
    reading -= 1;
    if (pages === 7) return 'idle';
    pages += 1;
    pass();
    working += 1;
    mostWorking = Math.max(mostWorking, working);
    await new Promise((resolve) => setImmediate(resolve));
    working -= 1;
    return 'more';
  });
  expect({ pages, mostWorking }).toEqual({ pages: 7, mostWorking: 2 });
});

test('a lane that keeps the token can wait until no page is in progress', async () => {
  const lanes = new Lanes();
  const events: string[] = [];
  const open = Promise.withResolvers<void>();
  let step = 0;
  await lanes.run(never, async ({ pass }) => {
    step += 1;
    if (step === 1) {
      const releasePage = lanes.addPage([]);
      pass();
      await open.promise;
      events.push('first ends');
      releasePage();
      return 'more';
    }
    if (step === 2) {
      queueMicrotask(open.resolve);
      await lanes.waitUntilEmpty();
      await new Promise((resolve) => setImmediate(resolve));
      events.push('second ends');
      return 'more';
    }
    events.push('third looks');
    return 'idle';
  });
  expect(events).toEqual(['first ends', 'second ends', 'third looks']);
});

test('a failure of one lane ends both, and is thrown after the other has ended', async () => {
  const lanes = new Lanes();
  const events: string[] = [];
  let step = 0;
  const failing = lanes.run(never, async ({ pass }) => {
    step += 1;
    if (step === 2) throw new Error('mine');
    pass();
    for (let ticks = 0; ticks < 5; ticks += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    events.push(`step ${step} ended`);
    return 'more';
  });
  await expect(failing).rejects.toThrow('mine');
  expect(events).toEqual(['step 2 ended']);
  let again = 0;
  await lanes.run(never, async () => {
    again += 1;
    return 'idle';
  });
  expect(again).toBe(1);
});
