import { expect, test } from 'vitest';
import { markAccess } from '../../../../src/access/credentials.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { inTransaction } from '../../../../src/db/connect.ts';
import { secondMs } from '../../../../src/kernel/instant.ts';
import { Fence } from '../../../../src/leases/fence.ts';
import { KeeperConnection } from '../../../../src/workers/keep-node/connection.ts';
import { CrashSuspects } from '../../../../src/workers/keep-node/crash-suspects.ts';
import { Lanes } from '../../../../src/workers/keep-node/lanes.ts';
import { holdsLease, leaseLost } from '../../../../src/workers/keep-node/node-store.ts';
import { probe } from '../../../../src/workers/keep-node/probe.ts';
import { runWorkStep, type WorkContext } from '../../../../src/workers/keep-node/work-step.ts';
import { type CallBehavior, startEmbeddedNode } from '../../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { silentLog } from '../../../support/log.ts';
import { createShopWithNodes, readEntitledNames } from '../../../support/nodes.ts';
import { createEndingSubscribers } from '../../../support/shop.ts';

// The steps of one keeper, without its loops: the test decides the order of probes and lanes.

const pageMax = 512;
const never = new AbortController().signal;

/** Reports a lane that waits for the pages in progress. */
class ObservedLanes extends Lanes {
  onWait: () => void = () => undefined;

  override waitUntilEmpty(): Promise<void> {
    this.onWait();
    return super.waitUntilEmpty();
  }
}

function createContext(database: TestDatabase, nowMs: () => number) {
  const { db } = database;
  const lease = { id: 'a', epoch: 0n };
  const lanes = new ObservedLanes();
  const context: WorkContext = {
    ...{ db, lease, lanes, log: silentLog, signal: never, calls: never },
    connection: new KeeperConnection(connectNode, nowMs),
    crashSuspects: new CrashSuspects(db, lease),
    fence: new Fence({
      isHeld: () => holdsLease(db, lease),
      createFault: () => leaseLost(lease),
    }),
    probeSoon: () => undefined,
  };
  return { context, lanes };
}

/** The order: a full page is in progress, the loss is found, and the other lane continues. */
test('X8: a seed waits for the page in progress, and the page confirms no lost user', async () => {
  let nowMs = 0;
  let beforeCall = async (): Promise<void> => undefined;
  const node = await startEmbeddedNode({
    inbounds: [{ tag: 'vless', protocol: 'vless' }],
    nowMs: () => nowMs,
    async chooseBehavior({ adds }): Promise<CallBehavior> {
      if (adds) await beforeCall();
      return 'serve';
    },
  });
  await using database = await createShopWithNodes({ a: { api: node.api } });
  await createEndingSubscribers(database, pageMax + 8, '2100-01-01T00:00:00Z');
  const names = await readEntitledNames(database);
  const { context, lanes } = createContext(database, () => nowMs);
  const users = () => [...node.listUserNames('vless')].sort();
  const work = () => lanes.run(never, (token) => runWorkStep(context, token));
  try {
    expect(await probe(context)).toMatchObject({ is: 'restarted' });
    await work();
    expect(users()).toEqual(names);
    expect(await probe(context)).toMatchObject({ is: 'unchanged' });

    await markPage(database);
    const [pageSent, laneWaits] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let calls = 0;
    beforeCall = async () => {
      calls += 1;
      if (calls !== pageMax) return;
      pageSent.resolve();
      await laneWaits.promise;
    };
    lanes.onWait = laneWaits.resolve;
    let steps = 0;
    await lanes.run(never, async (token) => {
      steps += 1;
      if (steps === 2) {
        await pageSent.promise;
        node.recreateInbound('vless');
        nowMs += 30 * secondMs;
        expect(await probe(context)).toMatchObject({ is: 'emptied', tag: 'vless' });
      }
      return runWorkStep(context, token);
    });
    expect(users()).toEqual(names);
  } finally {
    context.connection.close();
    node.stop();
  }
});

/** Marks as many credentials as one page holds. The others stay confirmed. */
async function markPage({ db }: TestDatabase): Promise<void> {
  const rows = await db.selectFrom('perennial.credential').select('id').limit(pageMax).execute();
  await inTransaction(db, async (tx) => {
    const ids = rows.map(({ id }) => id);
    await markAccess(tx, ids, await readClock(tx));
  });
}
