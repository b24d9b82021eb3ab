import { expect, test } from 'vitest';
import { type Db, openDatabase, openPool } from '../../../src/db/connect.ts';
import { openReplica } from '../../../src/leases/replica.ts';
import type { Channel } from '../../../src/notifications/channels/channel.ts';
import type { Delivery } from '../../../src/workers/deliver-notifications/claim.ts';
import { deliverNotifications } from '../../../src/workers/deliver-notifications/worker.ts';
import { until } from '../../../testbed/until.ts';
import {
  createDelivery,
  createEndingSubscriber,
  createStage,
  readNotifications,
  runDelivery,
  type Stage,
} from '../../support/delivery.ts';
import { hookPool } from '../../support/hooked-pool.ts';
import { silentLog } from '../../support/log.ts';
import { enqueueOne } from '../../support/notifications.ts';

// A courier that crashes at each step between finding a notification and marking it sent, with a
// notification of each policy. Its successor follows the policy, and no notification is lost
// without a trace.

type StatementSide = 'before' | 'after';

/**
 * The statement at which a run crashed, among those with an effect. Undefined if the run finished.
 */
type CrashStatement = string | undefined;

/** The counted statements: before any with an effect, and after only those with an effect. */
const stepPatterns: Readonly<Record<StatementSide, RegExp>> = {
  before: /^\s*(?!begin|start|set )/i,
  after: /^\s*(insert|update|delete|commit)/i,
};

/** A run that stops forever at its n-th statement. Its connections are then closed. */
async function runUntilCrash(
  { database, api }: Stage,
  n: number,
  at: StatementSide,
): Promise<CrashStatement> {
  const over = Promise.withResolvers<CrashStatement>();
  const numbers = new Map<number, number>();
  let isStopped = false;
  const pool = hookPool(openPool(database.url, { onLost: () => undefined }), (moment) => {
    if (isStopped) return new Promise<never>(() => undefined);
    if (!stepPatterns[at].test(moment.sql)) return;
    if (moment.when === 'before') numbers.set(moment.n, numbers.size + 1);
    if (numbers.get(moment.n) !== n || moment.when !== at) return;
    isStopped = true;
    over.resolve(moment.sql.replaceAll(/\s+/g, ' ').slice(0, 90));
    return new Promise<never>(() => undefined);
  });
  const replica = openReplica(database.url);
  const { delivery, sends } = watchSends(createDelivery(api, patientSettings));
  const context = { batchMax: 100, budgetMs: 20_000, elapsedMs: () => 0, log: silentLog };
  const db: Db = openDatabase(pool);
  const signal = new AbortController().signal;
  const run = deliverNotifications(() => delivery).run({ ...context, db, replica, signal });
  void run.then(() => over.resolve(undefined), over.reject);
  const crashStatement = await over.promise;
  // Everything that was written before has arrived.
  await Promise.all(sends);
  // The server needs a moment to detect a closed connection and to roll it back. Until then the
  // rows stay locked, and a successor would leave them to its next check.
  await until('the end of its connections', async () => {
    const rows = await database.query`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'`;
    return rows.length === 0;
  });
  await replica.close().catch(() => undefined);
  return crashStatement;
}

/** Deadlines that a busy machine does not exceed. */
const patientSettings = { deadlineMs: 30_000 };

/** A delivery whose sends can be awaited after the crash of its run. */
function watchSends({ channels, ...delivery }: Delivery) {
  const sends: Promise<unknown>[] = [];
  const watching = (channel: Channel): Channel => ({
    ...channel,
    send(...message) {
      const sent = channel.send(...message);
      sends.push(sent);
      return sent;
    },
  });
  return { delivery: { ...delivery, channels: channels.map(watching) }, sends };
}

async function enqueueBoth(stage: Stage): Promise<void> {
  await createEndingSubscriber(stage, 1n);
  await stage.database.setClock('2026-12-23T12:00:00Z');
  await enqueueOne(stage.database, 'receipt', 1n);
  await enqueueOne(stage.database, 'ends_24h', 1n);
}

const noon = '2026-11-24T12:00:00Z';

const runAgain = (stage: Stage) =>
  stage.database.query`
    UPDATE perennial.notification SET state = 'pending', attempts = 0, lost_answers = 0,
      next_attempt_at = perennial.clock(), sent_at = NULL, message_id = NULL`;

test('T2 P6: after a crash of the courier at any statement, receipts arrive, no reminder arrives twice, each row has its outcome, and the run is closed as lost', async () => {
  await using stage = await createStage({ now: noon, onLost: () => undefined });
  await enqueueBoth(stage);
  const seen = { crashes: 0, claims: new Set<StatementSide>(), uncertain: 0, again: 0 };
  /**
   * @returns whether such a statement exists. The number and order of statements depend on the
   * order of answers.
   */
  const holds = async (n: number, when: StatementSide): Promise<boolean> => {
    await runAgain(stage);
    const before = stage.api.log.length;
    const crashStatement = await runUntilCrash(stage, n, when);
    const at = `${when} statement ${n}: ${crashStatement}`;
    expect(await runDelivery(stage, createDelivery(stage.api, patientSettings)), at).toMatchObject({
      outcome: 'success',
    });
    const [receipt, reminder] = await readNotifications(stage.database);
    const texts = stage.api.log.slice(before).filter(({ arrived }) => arrived);
    const receipts = texts.filter(({ text }) => /paid/.test(text)).length;
    const reminders = texts.length - receipts;
    expect(receipt, at).toMatchObject({ state: 'sent' });
    expect(receipts, at).toBeGreaterThanOrEqual(1);
    expect(receipts, at).toBeLessThanOrEqual(1 + (receipt?.lost_answers ?? 0));
    expect(reminders, at).toBeLessThanOrEqual(1);
    // Never lost without a trace: the message arrived, or its row is `uncertain`.
    expect(['sent', 'uncertain'], at).toContain(reminder?.state);
    if (reminder?.state === 'sent') expect(reminders, at).toBe(1);
    else expect(reminder, at).toMatchObject({ lost_answers: 1, reason: /courier ended/ });
    seen.uncertain += reminder?.state === 'uncertain' ? 1 : 0;
    seen.again += receipts - 1;
    if (crashStatement === undefined) return false;
    seen.crashes += 1;
    if (crashStatement.includes("state = 'sending'")) seen.claims.add(when);
    return true;
  };
  for (const when of ['before', 'after'] as const) {
    for (let n = 1; await holds(n, when); n += 1);
  }
  const rows = await stage.database.query<{ outcome: string; runs: number }>`
    SELECT outcome, count(*)::int AS runs FROM perennial.worker_run
    WHERE outcome IN ('running', 'lost') GROUP BY outcome`;
  expect(rows).toEqual([{ outcome: 'lost', runs: expect.any(Number) }]);
  // Except runs that crashed before their record was written or after it was closed.
  expect(rows[0]?.runs).toBeGreaterThan(seen.crashes / 2);
  // Crashes at both claims happened: a reminder was abandoned, and a receipt arrived twice. The
  // number of each claim depends on the order of answers, so one may be skipped.
  expect(seen.crashes).toBeGreaterThan(40);
  expect(seen.claims).toEqual(new Set(['before', 'after']));
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
    await using stage = await createStage({ now: noon });
    await enqueueBoth(stage);
    const failed = new Set<string>();
    stage.api.conduct = ({ text }) => {
      const kind = /paid/.test(text) ? 'receipt' : 'reminder';
      if (failed.has(kind)) return 'serve';
      failed.add(kind);
      return fate;
    };
    await runDelivery(stage);
    await stage.database.setClock('2026-12-23T12:01:00Z');
    await runDelivery(stage);
    const [receipt, reminder] = await readNotifications(stage.database);
    expect(receipt).toMatchObject({ state: 'sent', lost_answers: 1, attempts: 2 });
    expect(reminder).toMatchObject({ state: 'uncertain', lost_answers: 1, attempts: 1 });
    const texts = stage.api.texts(1n);
    expect(texts.filter((text) => /paid/.test(text))).toHaveLength(receipts);
    expect(texts.filter((text) => !/paid/.test(text))).toHaveLength(reminders);
  },
);
