import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { type Db, openBooks, openPool } from '../../src/db/connect.ts';
import { deliverNotifications } from '../../src/workers/deliver-notifications/worker.ts';
import { openReplica } from '../../src/workers/replica.ts';
import { hookPool, type Moment } from '../hooked-pool.ts';
import { oweOne } from './owed.ts';
import { aStage, deliveryTo, leaver, mute, notices, runDelivery, type Stage } from './stage.ts';

// A courier that dies at each step between finding a notice and marking it sent, with a notice of each
// policy. Its successor does what the policy says, and nothing is lost without a trace.

type When = 'before' | 'after';

/** A run that stands still for ever at a moment, and is then gone with all its connections. */
async function dyingRun(
  { books, api }: Stage,
  dies: (moment: Moment) => boolean,
): Promise<{ readonly statements: readonly string[]; readonly died: boolean }> {
  const statements: string[] = [];
  let die: (died: boolean) => void = () => undefined;
  const over = new Promise<boolean>((resolve) => {
    die = resolve;
  });
  let dead = false;
  const pool = hookPool(openPool(books.url), (moment) => {
    if (dead) return new Promise<never>(() => undefined);
    if (moment.when === 'before') statements.push(moment.sql);
    if (!dies(moment)) return;
    dead = true;
    die(true);
    return new Promise<never>(() => undefined);
  });
  const replica = openReplica(books.url);
  const delivery = deliveryTo(api, { deadlineMs: 500 });
  const context = { batchMax: 100, budgetMs: 20_000, elapsedMs: () => 0, log: mute };
  const db: Db = openBooks(pool);
  const signal = new AbortController().signal;
  void deliverNotifications(() => delivery)
    .run({ ...context, db, replica, signal })
    .then(() => die(false));
  const died = await over;
  // The server notices that a process is gone, and undoes what it had open.
  await sql`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`.execute(books.db);
  await replica.close().catch(() => undefined);
  return { statements, died };
}

async function twoOwed(stage: Stage): Promise<void> {
  await leaver(stage, 1n);
  await stage.books.setClock('2026-12-23T12:00:00Z');
  await oweOne(stage.books, 'receipt', 1n);
  await oweOne(stage.books, 'ends_24h', 1n);
}

const noon = '2026-11-24T12:00:00Z';

/** What its successor leaves, and what arrived. */
async function afterwards(stage: Stage) {
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success' });
  const [receipt, reminder] = await notices(stage.books);
  const texts = stage.api.texts(1n);
  const receipts = texts.filter((text) => /paid/.test(text)).length;
  return { receipt, reminder, receipts, reminders: texts.length - receipts };
}

test('T2: a courier that dies at any statement: what must arrive arrives, a reminder never twice, each row says what became of it', async () => {
  const steps = await (async () => {
    await using stage = await aStage({ now: noon, onLost: () => undefined });
    await twoOwed(stage);
    return (await dyingRun(stage, () => false)).statements;
  })();
  const first = steps.findIndex((text) => /state = 'sending'/.test(text));
  expect(first).toBeGreaterThan(0);
  const moments = steps.flatMap((text, n) =>
    /^(begin|start|set )/i.test(text)
      ? []
      : ([
          [n + 1, 'before'],
          [n + 1, 'after'],
        ] as [number, When][]),
  );
  await using stage = await aStage({ now: noon, onLost: () => undefined });
  await twoOwed(stage);
  const seen = { uncertain: 0, again: 0 };
  for (const [n, when] of moments) {
    await sql`
      UPDATE perennial.notification SET state = 'pending', attempts = 0, lost_answers = 0,
        next_attempt_at = perennial.clock(), sent_at = NULL, message_id = NULL`.execute(
      stage.books.db,
    );
    const before = stage.api.log.length;
    const at = `${when} statement ${n}: ${steps[n - 1]?.replaceAll(/\s+/g, ' ').slice(0, 90)}`;
    await dyingRun(stage, (moment) => moment.n === n && moment.when === when);
    const { receipt, reminder } = await afterwards(stage);
    const texts = stage.api.log.slice(before).filter(({ arrived }) => arrived);
    const receipts = texts.filter(({ text }) => /paid/.test(text)).length;
    const reminders = texts.length - receipts;
    expect(receipt, at).toMatchObject({ state: 'sent' });
    expect(receipts, at).toBeGreaterThanOrEqual(1);
    expect(receipts, at).toBeLessThanOrEqual(1 + (receipt?.lost_answers ?? 0));
    expect(reminders, at).toBeLessThanOrEqual(1);
    // Never lost without a trace: it arrived, or the row says that nobody knows.
    expect(['sent', 'uncertain'], at).toContain(reminder?.state);
    if (reminder?.state === 'sent') expect(reminders, at).toBe(1);
    else expect(reminder, at).toMatchObject({ lost_answers: 1, reason: /courier ended/ });
    seen.uncertain += reminder?.state === 'uncertain' ? 1 : 0;
    seen.again += receipts - 1;
  }
  // Both happened: a reminder given up, and a receipt that came twice.
  expect(seen.uncertain).toBeGreaterThan(0);
  expect(seen.again).toBeGreaterThan(0);
}, 120_000);

test.for([
  ['lose', 2, 1],
  ['drop', 1, 0],
  [{ status: 502, taken: true }, 2, 1],
] as const)(
  'T2: an answer that is lost by %j: the receipt goes again, the reminder does not',
  async ([fate, receipts, reminders]) => {
    await using stage = await aStage({ now: noon });
    await twoOwed(stage);
    const failed = new Set<string>();
    stage.api.conduct = ({ text }) => {
      const kind = /paid/.test(text) ? 'receipt' : 'reminder';
      if (failed.has(kind)) return 'serve';
      failed.add(kind);
      return fate;
    };
    await runDelivery(stage);
    await stage.books.setClock('2026-12-23T12:01:00Z');
    await runDelivery(stage);
    const [receipt, reminder] = await notices(stage.books);
    expect(receipt).toMatchObject({ state: 'sent', lost_answers: 1, attempts: 2 });
    expect(reminder).toMatchObject({ state: 'uncertain', lost_answers: 1, attempts: 1 });
    const texts = stage.api.texts(1n);
    expect(texts.filter((text) => /paid/.test(text))).toHaveLength(receipts);
    expect(texts.filter((text) => !/paid/.test(text))).toHaveLength(reminders);
  },
);
