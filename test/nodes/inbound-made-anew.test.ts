import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { newCredentialId } from '../../src/kernel/ids.ts';
import { secondMs } from '../../src/kernel/instant.ts';
import { revoke } from '../../src/subscription/granting.ts';
import { type CallSeen, type Conduct, startEmbeddedNode } from '../../src/xray/embedded/node.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import type { Books } from '../books.ts';
import { until } from '../service/until.ts';
import { crowd, payer } from '../shop.ts';
import { type Kept, keep, marksOf, namesInBooks, quiet, settled, shopOn } from './kept.ts';

// A panel that edits an inbound removes it and adds it again. Xray runs on, so no uptime tells.

const tags = ['vless', 'trojan'] as const;

/** A node with two inbounds and 30 users, on a clock that only `pass` moves. */
async function world() {
  let nowMs = 0;
  const seen = new Map<string, number>();
  const said: string[] = [];
  const hooks: { onCall?: ((call: CallSeen) => Promise<void>) | undefined } = {};
  const clock = { nowMs: () => nowMs };
  const node = await startEmbeddedNode({
    ...clock,
    inbounds: tags.map((tag) => ({ tag, protocol: tag })),
    async conduct(call): Promise<Conduct> {
      seen.set(call.method, (seen.get(call.method) ?? 0) + 1);
      await hooks.onCall?.(call);
      return 'serve';
    },
  });
  const books = await shopOn({ a: { api: node.api, inbounds: tags } });
  await crowd(books, 30, '2100-01-01T00:00:00Z');
  const say = (_: object, message: string) => void said.push(message);
  const log = { ...quiet, warn: say, error: say };
  const panel = connectNode({ api: node.api });
  const calls = (method: string) => seen.get(method) ?? 0;
  const more = (method: string, count: number) => {
    const before = calls(method);
    return until(`${count} more of ${method}`, () =>
      calls(method) >= before + count ? true : undefined,
    );
  };
  /** How often a loss was found; nothing else goes wrong. */
  const lost = () => {
    expect(said.filter((message) => !message.includes('lost users'))).toEqual([]);
    return said.length;
  };
  return {
    ...{ node, books, panel, hooks, calls, more, lost },
    keep: (): Kept => keep(books, { ...clock, log, probeMs: 20 }),
    /** Until the keeper has looked at the node with this time. */
    async pass(ms: number): Promise<void> {
      nowMs += ms;
      await more('GetSysStats', 2);
    },
    /** Until each inbound was counted once more. */
    async count(): Promise<void> {
      const counted = more('GetInboundUsersCount', tags.length);
      nowMs += 30 * secondMs;
      await counted;
      await more('GetSysStats', 1);
    },
    async foreign(count: number): Promise<void> {
      for (let n = 0; n < count; n += 1) {
        const user = { name: `panel-${n}`, id: newCredentialId(), flow: '' } as const;
        await panel.addUser('vless', user);
      }
    },
    async [Symbol.asyncDispose]() {
      panel.close();
      node.stop();
      await books.close();
    },
  };
}

type World = Awaited<ReturnType<typeof world>>;

const oursOn = ({ node }: World, tag = 'vless') =>
  [...node.names(tag)].filter((name) => name.startsWith('perennial-')).sort();

async function full(at: World): Promise<void> {
  const names = await namesInBooks(at.books);
  for (const tag of tags) {
    const isFull = () => (oursOn(at, tag).length === names.length ? true : undefined);
    await until(`${tag} is full`, isFull);
    expect(oursOn(at, tag)).toEqual(names);
  }
}

/** The keeper has counted the users that it added. */
async function counted(at: World): Promise<void> {
  await settled(at.books);
  await full(at);
  await at.count();
  expect(at.lost()).toBe(0);
}

test.for([
  ['alone', 0, 0],
  ['beside users of another program that return', 40, 40],
  ['that another program fills with more users', 0, 45],
] as const)(
  'X8: an inbound made anew while the node runs on, %s, is filled within 30 s',
  async ([, before, after]) => {
    await using at = await world();
    await at.foreign(before);
    await using _ = at.keep();
    await counted(at);
    at.node.remake('vless');
    await at.foreign(after);
    await at.pass(29 * secondMs);
    expect(oursOn(at)).toEqual([]);
    await at.pass(secondMs);
    await full(at);
    expect(at.lost()).toBe(1);
    // Once is enough.
    await settled(at.books);
    await at.count();
    await at.count();
    expect(at.lost()).toBe(1);
  },
);

test('X8: an inbound made anew between two keepers is filled at once, also if another program fills it', async () => {
  await using at = await world();
  await using _ = at.keep();
  await counted(at);
  await _.stop();
  at.node.remake('vless');
  await at.foreign(40);
  await using __ = at.keep();
  await full(at);
});

test('X8: a user that is added while the inbound is made anew is not confirmed away', async () => {
  await using at = await world();
  await using _ = at.keep();
  await counted(at);
  let asked = false;
  at.hooks.onCall = async ({ adds, tag }) => {
    if (!adds || asked || tag !== 'trojan') return;
    asked = true;
    // It is on the first inbound by now, and the second one answers when the loss is known.
    at.node.remake('vless');
    at.hooks.onCall = undefined;
    await at.pass(30 * secondMs);
    await until('the loss is known', () => (at.lost() > 0 ? true : undefined));
    await at.more('GetSysStats', 10);
  };
  await payer(at.books, 1n, 0n);
  await full(at);
  await settled(at.books);
  await full(at);
});

test('X8: a node with two inbounds is not filled again while users of all kinds come and go', async () => {
  await using at = await world();
  await using first = at.keep();
  await counted(at);
  for (let n = 1n; n <= 6n; n += 1n) {
    const buying = [n, n + 100n].map((telegramId) => payer(at.books, telegramId, 0n));
    const leaving = leave(at.books, Number(n));
    await at.foreign(Number(n));
    if (n % 2n === 0n) await at.panel.removeUser('vless', 'panel-0');
    await at.count();
    await Promise.all([...buying, leaving]);
    await at.count();
  }
  await settled(at.books);
  await full(at);
  await first.stop();
  await using _ = at.keep();
  await at.more('GetInboundUsersCount', 2 * tags.length);
  await at.count();
  expect(at.lost()).toBe(0);
  expect(await filledMarks(at.books)).toBe(30);
  expect(await namesInBooks(at.books)).toHaveLength(30 + 12 - 6);
});

test('X8: users that leave while they are counted and asked for are not lost', async () => {
  await using at = await world();
  await using _ = at.keep();
  await counted(at);
  const gone = new Map<string, Promise<void>>();
  at.hooks.onCall = async ({ method }) => {
    if (method !== 'GetInboundUsersCount' && method !== 'GetInboundUsers') return;
    // The answer is of the time after some have left.
    const leaving = gone.get(method) ?? left(at, gone.size + 1);
    gone.set(method, leaving);
    await leaving;
  };
  await at.count();
  await until('both were asked', () => (gone.size === 2 ? true : undefined));
  at.hooks.onCall = undefined;
  await at.count();
  expect(at.lost()).toBe(0);
  expect(await filledMarks(at.books)).toBe(30);
});

test('X8: credentials that a change of plans has not marked yet are not lost', async () => {
  await using at = await world();
  await using first = at.keep();
  await counted(at);
  await first.stop();
  at.node.remake('vless');
  at.node.remake('trojan');
  // As if the plan opened the node just now: the change has marked no credential yet.
  await sql`
    INSERT INTO perennial.marking (node_id, plan, urgent, replace, ordered_at)
    VALUES ('a', 'basic', false, false, perennial.clock())`.execute(at.books.db);
  await using _ = at.keep();
  await at.more('GetInboundUsersCount', 2 * tags.length);
  await at.count();
  expect(at.lost()).toBe(0);
  expect(await marksOf(at.books)).toBe(0);
});

/** How many the last filling of the node has marked. */
async function filledMarks({ db }: Books): Promise<number> {
  const { rows } = await sql<{ marked: bigint }>`
    SELECT seed_marked AS marked FROM perennial.node`.execute(db);
  return Number(rows[0]?.marked);
}

/** One of the crowd loses access. */
async function leave(books: Books, n: number): Promise<void> {
  const telegramId = 1_000_000n + BigInt(n);
  await revoke({ db: books.db, actor: 'test' }, { telegramId, reason: 'test' });
}

/** Until one of the crowd has left the node. */
async function left(at: World, n: number): Promise<void> {
  const users = at.node.names('trojan').length;
  await leave(at.books, n);
  const isGone = () => (at.node.names('trojan').length < users ? true : undefined);
  await until('the user has left', isGone);
}
