import { expect, test } from 'vitest';
import { aNode, equal, keep, namesInBooks, settled, shopOn } from '../../../test/nodes/kept.ts';
import { until } from '../../../test/service/until.ts';
import { crowd } from '../../../test/shop.ts';
import { readClock } from '../../db/clock.ts';
import { inTransaction } from '../../db/connect.ts';
import type { CredentialId } from '../../kernel/ids.ts';
import { markAccess } from '../../subscription/access.ts';
import type { Conduct } from '../../xray/embedded/node.ts';
import { Hands } from './hands.ts';

test('two hands fill a node, and no credential is in both, also when it is marked again meanwhile', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  await crowd(books, 1_300, '2100-01-01T00:00:00Z');
  const names = await namesInBooks(books);
  const underWay = new Map<string, number>();
  const both: string[] = [];
  let [calls, most] = [0, 0];
  node.conduct = async ({ method, name }): Promise<Conduct> => {
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
  await using _ = keep(books);
  await until('it is under way', () => (calls > 200 ? true : undefined));
  const { rows } = await books.pool.query<{ id: CredentialId }>(
    'SELECT id FROM perennial.credential',
  );
  await inTransaction(books.db, async (tx) => {
    const ids = rows.map(({ id }) => id);
    await markAccess(tx, ids, await readClock(tx));
  });
  await settled(books, 'nl-1', 60_000);
  await equal(books, node);
  expect(names).toHaveLength(1_300);
  expect(both).toEqual([]);
  expect(most).toBeGreaterThan(32);
}, 90_000);

const never = new AbortController().signal;

test('hands look in turns, one looks while the other works, and both end when one finds nothing', async () => {
  const hands = new Hands();
  let [looking, working, mostWorking, pages] = [0, 0, 0, 0];
  await hands.work(never, async ({ pass }) => {
    looking += 1;
    expect(looking).toBe(1);
    await Promise.resolve();
    looking -= 1;
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

test('who keeps the turn has the other hand empty, and nothing is begun meanwhile', async () => {
  const hands = new Hands();
  const said: string[] = [];
  const open = Promise.withResolvers<void>();
  let step = 0;
  await hands.work(never, async ({ pass }) => {
    step += 1;
    if (step === 1) {
      const letGo = hands.take([]);
      pass();
      await open.promise;
      said.push('first ends');
      letGo();
      return 'more';
    }
    if (step === 2) {
      queueMicrotask(open.resolve);
      await hands.empty();
      await new Promise((resolve) => setImmediate(resolve));
      said.push('second ends');
      return 'more';
    }
    said.push('third looks');
    return 'idle';
  });
  expect(said).toEqual(['first ends', 'second ends', 'third looks']);
});

test('a failure of one hand ends both, and is thrown once the other has ended', async () => {
  const hands = new Hands();
  const said: string[] = [];
  let step = 0;
  const failing = hands.work(never, async ({ pass }) => {
    step += 1;
    if (step === 2) throw new Error('mine');
    pass();
    for (let turns = 0; turns < 5; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    said.push(`step ${step} ended`);
    return 'more';
  });
  await expect(failing).rejects.toThrow('mine');
  expect(said).toEqual(['step 2 ended']);
  let again = 0;
  await hands.work(never, async () => {
    again += 1;
    return 'idle';
  });
  expect(again).toBe(1);
});
