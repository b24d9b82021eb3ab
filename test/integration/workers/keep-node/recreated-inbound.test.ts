import { expect, test } from 'vitest';
import { generateCredentialId } from '../../../../src/kernel/ids.ts';
import { secondMs } from '../../../../src/kernel/instant.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import {
  type CallBehavior,
  type ReceivedCall,
  startEmbeddedNode,
} from '../../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import { until } from '../../../../testbed/until.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { silentLog } from '../../../support/log.ts';
import {
  countMarks,
  createShopWithNodes,
  type RunningKeepers,
  readEntitledNames,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { createCaller, createEndingSubscribers, createSubscriber } from '../../../support/shop.ts';

// A panel edits an inbound: it removes the inbound and adds it again. Xray keeps running, so the
// uptime does not show it.

const tags = ['vless', 'trojan'] as const;

/** A node with two inbounds and 30 users, on a clock that only `pass` moves. */
async function createPanelNode() {
  let nowMs = 0;
  const callCounts = new Map<string, number>();
  const messages: string[] = [];
  const hooks: { onCall?: ((call: ReceivedCall) => Promise<void>) | undefined } = {};
  const clock = { nowMs: () => nowMs };
  const node = await startEmbeddedNode({
    ...clock,
    inbounds: tags.map((tag) => ({ tag, protocol: tag })),
    async chooseBehavior(call): Promise<CallBehavior> {
      callCounts.set(call.method, (callCounts.get(call.method) ?? 0) + 1);
      await hooks.onCall?.(call);
      return 'serve';
    },
  });
  const database = await createShopWithNodes({ a: { api: node.api, inbounds: tags } });
  await createEndingSubscribers(database, 30, '2100-01-01T00:00:00Z');
  const collect = (_: object, message: string) => void messages.push(message);
  const log = { ...silentLog, warn: collect, error: collect };
  const panel = connectNode({ api: node.api });
  const calls = (method: string) => callCounts.get(method) ?? 0;
  const more = (method: string, count: number) => {
    const before = calls(method);
    return until(`${count} more of ${method}`, () => calls(method) >= before + count);
  };
  /** The number of losses found. No other fault occurs. */
  const lost = () => {
    expect(messages.filter((message) => !message.includes('lost users'))).toEqual([]);
    return messages.length;
  };
  return {
    ...{ node, database, panel, hooks, calls, more, lost },
    keep: (): RunningKeepers => startTestKeepers(database, { ...clock, log, probeMs: 20 }),
    /** Advances the clock, and waits until the keeper has probed the node at this time. */
    async pass(ms: number): Promise<void> {
      nowMs += ms;
      await more('GetSysStats', 2);
    },
    /** Waits until each inbound was counted again. */
    async count(): Promise<void> {
      const counted = more('GetInboundUsersCount', tags.length);
      nowMs += 30 * secondMs;
      await counted;
      await more('GetSysStats', 1);
    },
    async foreign(count: number): Promise<void> {
      for (let n = 0; n < count; n += 1) {
        const user = { name: `panel-${n}`, id: generateCredentialId(), flow: '' } as const;
        await panel.addUser('vless', user);
      }
    },
    async [Symbol.asyncDispose]() {
      panel.close();
      node.stop();
      await database.close();
    },
  };
}

type PanelNode = Awaited<ReturnType<typeof createPanelNode>>;

const readOwnNames = ({ node }: PanelNode, tag = 'vless') =>
  [...node.listUserNames(tag)].filter((name) => name.startsWith('perennial-')).sort();

async function untilFull(panelNode: PanelNode): Promise<void> {
  const names = await readEntitledNames(panelNode.database);
  for (const tag of tags) {
    const isFull = () => readOwnNames(panelNode, tag).length === names.length;
    await until(`${tag} is full`, isFull);
    expect(readOwnNames(panelNode, tag)).toEqual(names);
  }
}

/** Waits until the keeper has counted the users that it added. */
async function untilCounted(panelNode: PanelNode): Promise<void> {
  await untilSynced(panelNode.database);
  await untilFull(panelNode);
  await panelNode.count();
  expect(panelNode.lost()).toBe(0);
}

test.for([
  ['alone', 0, 0],
  ['beside users of another program that return', 40, 40],
  ['that another program fills with more users', 0, 45],
] as const)(
  'X8: an inbound that is made again while the node runs, %s, is seeded within 30 s',
  async ([, before, after]) => {
    await using at = await createPanelNode();
    await at.foreign(before);
    await using _ = at.keep();
    await untilCounted(at);
    at.node.recreateInbound('vless');
    await at.foreign(after);
    await at.pass(30 * secondMs);
    await untilFull(at);
    expect(at.lost()).toBe(1);
    // One seed is enough.
    await untilSynced(at.database);
    await at.count();
    await at.count();
    expect(at.lost()).toBe(1);
  },
);

test('X8: an inbound that is made again between two keepers is seeded at once, also if another program fills it', async () => {
  await using at = await createPanelNode();
  await using _ = at.keep();
  await untilCounted(at);
  await _.stop();
  at.node.recreateInbound('vless');
  await at.foreign(40);
  await using __ = at.keep();
  await untilFull(at);
});

test('X8: a user that is added while the inbound is made again is not confirmed by mistake', async () => {
  await using at = await createPanelNode();
  await using _ = at.keep();
  await untilCounted(at);
  let asked = false;
  at.hooks.onCall = async ({ adds, tag }) => {
    if (!adds || asked || tag !== 'trojan') return;
    asked = true;
    // The user is on the first inbound now. The second inbound answers after the loss is found.
    at.node.recreateInbound('vless');
    at.hooks.onCall = undefined;
    await at.pass(30 * secondMs);
    await until('the loss is detected', () => at.lost() > 0);
    await at.more('GetSysStats', 10);
  };
  await createSubscriber(at.database, 1n, 0n);
  await untilFull(at);
  await untilSynced(at.database);
  await untilFull(at);
});

test('X8: a node with two inbounds is not seeded again while users are added and removed', async () => {
  await using at = await createPanelNode();
  await using first = at.keep();
  await untilCounted(at);
  for (let n = 1n; n <= 6n; n += 1n) {
    const buying = [n, n + 100n].map((telegramId) => createSubscriber(at.database, telegramId, 0n));
    const leaving = revokeSubscription(at.database, Number(n));
    await at.foreign(Number(n));
    if (n % 2n === 0n) await at.panel.removeUser('vless', 'panel-0');
    await at.count();
    await Promise.all([...buying, leaving]);
    await at.count();
  }
  await untilSynced(at.database);
  await untilFull(at);
  await first.stop();
  await using _ = at.keep();
  await at.more('GetInboundUsersCount', 2 * tags.length);
  await at.count();
  expect(at.lost()).toBe(0);
  expect(await countFilledMarks(at.database)).toBe(30);
  expect(await readEntitledNames(at.database)).toHaveLength(30 + 12 - 6);
});

test('X8: users that are removed during a count are not taken for lost', async () => {
  await using at = await createPanelNode();
  await using _ = at.keep();
  await untilCounted(at);
  const gone = new Map<string, Promise<void>>();
  at.hooks.onCall = async ({ method }) => {
    if (method !== 'GetInboundUsersCount' && method !== 'GetInboundUsers') return;
    // The answer describes the time after some removals.
    const leaving = gone.get(method) ?? untilLeft(at, gone.size + 1);
    gone.set(method, leaving);
    await leaving;
  };
  await at.count();
  await until('both nodes received a call', () => gone.size === 2);
  at.hooks.onCall = undefined;
  await at.count();
  expect(at.lost()).toBe(0);
  expect(await countFilledMarks(at.database)).toBe(30);
});

test('X8: credentials that a change of plans has not marked yet are not taken for lost', async () => {
  await using at = await createPanelNode();
  await using first = at.keep();
  await untilCounted(at);
  await first.stop();
  at.node.recreateInbound('vless');
  at.node.recreateInbound('trojan');
  // As if the plan opened the node just now: the change has marked no credential yet.
  await at.database.query`
    INSERT INTO perennial.marking (node_id, plan, urgent, replace, ordered_at)
    VALUES ('a', 'basic', false, false, perennial.clock())`;
  await using _ = at.keep();
  await at.more('GetInboundUsersCount', 2 * tags.length);
  await at.count();
  expect(at.lost()).toBe(0);
  expect(await countMarks(at.database)).toBe(0);
});

/** @returns the number of credentials that the last seed has marked */
async function countFilledMarks({ query }: TestDatabase): Promise<number> {
  const rows = await query<{ marked: bigint }>`SELECT seed_marked AS marked FROM perennial.node`;
  return Number(rows[0]?.marked);
}

/** One of the subscribers loses access. */
async function revokeSubscription(database: TestDatabase, n: number): Promise<void> {
  const telegramId = 1_000_000n + BigInt(n);
  await revoke(createCaller(database), { telegramId, reason: 'test' });
}

/** Waits until a subscriber is removed from the node. */
async function untilLeft(panelNode: PanelNode, n: number): Promise<void> {
  const users = panelNode.node.listUserNames('trojan').length;
  await revokeSubscription(panelNode.database, n);
  const isGone = () => panelNode.node.listUserNames('trojan').length < users;
  await until('the user was removed', isGone);
}
