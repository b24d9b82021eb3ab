import { expect, test, vi } from 'vitest';
import { runAudit } from '../../../../src/audit/audit.ts';
import { confirmDeletionTime } from '../../../../src/db/clock-mark.ts';
import { thisMachine } from '../../../../src/db/machine.ts';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import { dayMs, hourMs, minuteMs } from '../../../../src/kernel/instant.ts';
import { acceptClock } from '../../../../src/runs/clock/accept.ts';
import { watchAfterBoot } from '../../../../src/runs/clock/boot.ts';
import { startSentinel } from '../../../../src/runs/clock/sentinel.ts';
import { watchClock } from '../../../../src/runs/clock/watch.ts';
import { readMetrics } from '../../../../src/runs/metrics.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import { startEmbeddedNode } from '../../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import { readAlarms } from '../../../support/alarms.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { expectFault } from '../../../support/faults.ts';
import { type FaultyClock, installFaultyClock } from '../../../support/faulty-clock.ts';
import { hookPool } from '../../../support/hooked-pool.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShop,
  createShopDatabase,
  createSubscriber,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

// A database whose clock jumps.
//
// The stored clock of a test is trusted. So these tests replace the clock of the server, and
// compare it with the real uptime of this machine.

const timedWorkers = [
  'auto-renewal',
  'fast-expiry-cleanup',
  'trial-notifications',
  'expiry-reminders',
];

/** Three customers: one pays, one does not pay, one has a trial. The clock was trusted just now. */
async function createShopWithClock(): Promise<
  { database: TestDatabase; clock: FaultyClock } & AsyncDisposable
> {
  const database = await createDatabase();
  const clock = await installFaultyClock(database.db);
  await createShop(database);
  await createSubscriber(database, 1n, 500_00n);
  await createSubscriber(database, 2n, 0n);
  await addCustomer(database, 3n);
  await startTrial(createCaller(database), { telegramId: 3n });
  await watchClock(database.db);
  return { database, clock, [Symbol.asyncDispose]: () => database.close() };
}

async function readClockState({ query }: TestDatabase) {
  const rows = await query`
    SELECT c.telegram_id, c.balance_minor, s.state, s.plan, s.expires_at,
      (SELECT count(*) FROM perennial.period p WHERE p.subscription_id = s.id) AS periods,
      (SELECT count(*) FROM perennial.notification n WHERE n.customer_id = c.id) AS notices
    FROM perennial.customer c LEFT JOIN perennial.subscription s ON s.customer_id = c.id
    ORDER BY c.telegram_id`;
  return rows;
}

const readCause = async ({ query }: TestDatabase) => {
  const rows = await query<{ cause: string | null }>`
    SELECT suspect_cause AS cause FROM perennial.clock_state`;
  return rows[0]?.cause;
};

/** The metrics of the sentinel: whether the time is suspect, and by how many seconds. */
async function readClockMetrics({ db }: TestDatabase): Promise<(number | undefined)[]> {
  const figures = await readMetrics(db);
  return ['suspect', 'offset_seconds'].map(
    (name) => figures.find((one) => one.name === `perennial_clock_${name}`)?.values[0]?.value,
  );
}

test.each([
  ['an hour', hourMs],
  ['a day', dayMs],
  ['30 days', 30 * dayMs],
  ['358 days', 358 * dayMs],
])(
  'K1: a clock that jumps ahead by %s charges, expires and reminds no customer, and is alarmed',
  async (_, byMs) => {
    await using shop = await createShopWithClock();
    const { database, clock } = shop;
    const before = await readClockState(database);
    await clock.jump(byMs);
    for (const worker of timedWorkers) {
      const run = await runWorker(database, worker);
      expect(run).toMatchObject({ worker, outcome: 'skipped', changed: 0n });
      expect(run.detail.code).toBe('clock_suspect');
      expect(run.detail.reason).toContain(`${byMs / 1_000} s ahead of the uptime of`);
    }
    expect(await readClockState(database)).toEqual(before);
    expect(await readCause(database)).toBe('ahead');
    expect(await readAlarms(database)).toEqual(['alarm_clock database']);
    const [isSuspect, offsetS] = await readClockMetrics(database);
    expect(isSuspect).toBe(1);
    expect(Math.round((offsetS as number) / 10) * 10).toBe(byMs / 1_000);
    await clock.jump(0);
    for (const worker of timedWorkers)
      expect((await runWorker(database, worker)).outcome).toBe('success');
    expect(await readClockState(database)).toEqual(before);
    expect(await readCause(database)).toBeNull();
    expect(await readClockMetrics(database)).toEqual([0, 0]);
    await runWorker(database, 'raise-alarms');
    expect(await readAlarms(database)).toContain('alarm_over alarm_clock database');
  },
);

test('K1: a clock that steps back by 25 days is suspect until it is right again', async () => {
  await using shop = await createShopWithClock();
  const { database, clock } = shop;
  await clock.jump(-25 * dayMs);
  expect((await runWorker(database, 'auto-renewal')).detail.reason).toContain(
    'behind the uptime of',
  );
  await expectFault(buyPlan(database, 1n), 'clock_suspect');
  expect((await readClockMetrics(database))[1]).toBeLessThan((-24 * dayMs) / 1_000);
  await clock.jump(0);
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('success');
  await buyPlan(database, 1n);
});

test('K1: a batch whose time is beyond the jump commits nothing, though its run began before', async () => {
  let armed = false;
  // The jump comes between the check at the start of the run and the clock of its first batch.
  const hook = async ({ sql: text, when }: { sql: string; when: string }) => {
    if (!armed || when !== 'after' || !text.includes('FROM perennial.quarantine')) return;
    armed = false;
    await clock.jump(30 * dayMs);
  };
  await using database = await createDatabase({ wrapPool: (pool) => hookPool(pool, hook) });
  const clock = await installFaultyClock(database.db);
  await createShop(database);
  await createSubscriber(database, 1n, 500_00n);
  await watchClock(database.db);
  const before = await readClockState(database);
  armed = true;
  const run = await runWorker(database, 'auto-renewal');
  expect(armed).toBe(false);
  expect(run).toMatchObject({ outcome: 'skipped', changed: 0n });
  expect(run.detail.code).toBe('clock_suspect');
  expect(await readClockState(database)).toEqual(before);
});

test('K2: while the time is suspect no period is sold, and top-ups are credited', async () => {
  await using shop = await createShopWithClock();
  const { database, clock } = shop;
  const rows = await database.query<{ id: bigint }>`SELECT id FROM perennial.period ORDER BY id`;
  const periodId = rows[0]?.id as never;
  const before = await readClockState(database);
  await clock.jump(210 * dayMs);
  const call = createCaller(database);
  const telegramId = 1n;
  const refused = [
    buyPlan(database, 1n),
    startTrial(call, { telegramId: 3n }),
    grant(call, { telegramId, days: 3 }),
    changePlan(call, { telegramId, plan: 'plus', periodDays: 30, when: 'now' }),
    refund(call, { telegramId, periodId, part: 'unused' }),
    refund(call, { telegramId, periodId, part: 'whole' }),
    revoke(call, { telegramId, refund: 'unused', reason: 'test' }),
  ];
  for (const one of await Promise.allSettled(refused)) {
    expect(one).toMatchObject({ status: 'rejected', reason: { code: 'clock_suspect' } });
  }
  expect(await readClockState(database)).toEqual(before);
  await addBalance(database, 2n, 149_00n);
  // A revocation without a refund protects the operator at any time.
  await revoke(call, { telegramId: 2n, reason: 'abuse' });
  await clock.jump(0);
  const after = (await readClockState(database)) as { balance_minor: bigint; state: string }[];
  expect(after[1]).toMatchObject({ balance_minor: 149_00n, state: 'revoked' });
});

test('K2: a known key returns its first answer also while the time is suspect', async () => {
  await using shop = await createShopWithClock();
  const { database, clock } = shop;
  const pay = () =>
    topUp(createCaller(database, 'payment-77'), { telegramId: 2n, amountMinor: 500_00n });
  const first = await pay();
  await clock.jump(31 * dayMs);
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await confirmDeletionTime(database.db)).toBeUndefined();
  expect(await pay()).toEqual(first);
  await clock.jump(0);
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await pay()).toEqual(first);
});

test('K3: a wrong time that no clock contradicts deletes no key within its first hour', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await createSubscriber(database, 1n, 0n);
  const pay = () =>
    topUp(createCaller(database, 'payment-77'), { telegramId: 1n, amountMinor: 500_00n });
  const first = await pay();
  await runWorkerAt(database, '2026-11-01T00:01:00Z', 'fast-expiry-cleanup');
  for (const now of ['2026-12-02T00:00:00Z', '2026-12-02T00:59:00Z']) {
    await runWorkerAt(database, now, 'fast-expiry-cleanup');
    await confirmDeletionTime(database.db);
  }
  await database.setClock('2026-11-01T00:02:00Z');
  expect(await pay()).toEqual(first);
  // By a time that lasts, the key is deleted.
  await database.setClock('2026-12-03T00:00:00Z');
  await confirmDeletionTime(database.db);
  await database.setClock('2026-12-03T01:00:00Z');
  expect(await confirmDeletionTime(database.db)).toBe(Date.parse('2026-12-03T00:00:00Z'));
});

/** The uptime of this machine and the clock of the database, both set by the test. */
function virtualUptime({ clock }: { clock: FaultyClock }) {
  const real = thisMachine.uptimeMs.bind(thisMachine);
  let passedMs = 0;
  let offMs = 0;
  const spy = vi.spyOn(thisMachine, 'uptimeMs').mockImplementation(() => real() + passedMs);
  return {
    /** This much time passes, and the clock of the database gains this much more. */
    async pass(ms: number, gainMs: number): Promise<void> {
      passedMs += ms;
      offMs += gainMs;
      await clock.jump(passedMs + offMs);
    },
    /** Corrects the clock of the database. */
    async correct(): Promise<void> {
      offMs = 0;
      await clock.jump(passedMs);
    },
    [Symbol.dispose]: () => spy.mockRestore(),
  };
}

test('K4: a slow smear is no jump, and the mark follows it', async () => {
  await using shop = await createShopWithClock();
  const { database } = shop;
  using time = virtualUptime(shop);
  // 10 minutes within two hours: as fast as chrony corrects a clock.
  for (let look = 0; look < 120; look += 1) {
    await time.pass(minuteMs, minuteMs / 12);
    expect((await watchClock(database.db)).trust.kind).toBe('trusted');
  }
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('success');
});

test.each([
  ['+50 s', 50_000, 'ahead'],
  ['-50 s', -50_000, 'back'],
])('K4: steps of %s every 20 s add up to a jump', async (_, stepMs, cause) => {
  await using shop = await createShopWithClock();
  const { database } = shop;
  using time = virtualUptime(shop);
  for (let look = 1; look <= 8; look += 1) {
    await time.pass(5_000, look % 4 === 0 ? stepMs : 0);
    expect((await watchClock(database.db)).trust.kind).toBe(look < 8 ? 'trusted' : 'suspect');
  }
  expect(await readCause(database)).toBe(cause);
  expect(await readAlarms(database)).toEqual(['alarm_clock database']);
  expect((await runWorker(database, 'auto-renewal')).detail.code).toBe('clock_suspect');
  await time.correct();
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('success');
  expect(await readCause(database)).toBeNull();
});

test('K4: machines with the same small steps do not outvote each other, and one without steps does', async () => {
  await using shop = await createShopWithClock();
  const { database } = shop;
  using time = virtualUptime(shop);
  const peer = (steppedMs: number) =>
    database.query`
      INSERT INTO perennial.clock_witness (id, name, uptime_ms, since_uptime_ms, at, stepped_ms)
      VALUES ('boot:other', 'host-2', ${2 * hourMs}, 0, perennial.clock(), ${steppedMs})
      ON CONFLICT (id) DO UPDATE SET at = excluded.at, stepped_ms = excluded.stepped_ms`;
  for (const steppedMs of [22_000, 44_000]) {
    await time.pass(5_000, 22_000);
    await watchClock(database.db);
    await peer(steppedMs);
  }
  await time.pass(5_000, 22_000);
  await watchClock(database.db);
  expect(await readCause(database)).toBe('ahead');
  await peer(0);
  await watchClock(database.db);
  expect(await readCause(database)).toBeNull();
});

test('K5: the acceptance of a suspect time ends the wait and is in the timeline', async () => {
  await using shop = await createShopWithClock();
  const { database, clock } = shop;
  await clock.jump(2 * hourMs);
  await runWorker(database, 'auto-renewal');
  const done = await acceptClock(database.db, 'cli');
  expect(done.accepted).toMatchObject({ cause: 'ahead', byMs: expect.closeTo(2 * hourMs, -4) });
  expect((await acceptClock(database.db, 'cli')).accepted).toBeNull();
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('success');
  await buyPlan(database, 1n);
  const rows = await database.query`
    SELECT subject, action, actor, detail->>'by_s' AS by_s FROM perennial.event
    WHERE subject = 'clock'`;
  expect(rows).toEqual([
    { subject: 'clock', action: 'clock_accepted', actor: 'cli', by_s: '7200' },
  ]);
});

test('K6: a replica that starts after a boot is not misled by a clock behind the mark', async () => {
  await using shop = await createShopWithClock();
  const { database, clock } = shop;
  await database.query`DELETE FROM perennial.clock_witness`;
  await clock.jump(-3 * hourMs);
  expect((await watchClock(database.db)).trust.kind).toBe('suspect');
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('skipped');
  await clock.jump(0);
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('success');
});

test('K6: after a boot the uptime of a node that kept running shows a clock that is hours ahead', async () => {
  await using shop = await createShopWithClock();
  const { database, clock } = shop;
  await database.query`DELETE FROM perennial.clock_witness`;
  const before = {
    name: 'node nl-1',
    uptimeMs: 10 * dayMs,
    at: await checkClockNow(database),
    isFloor: false,
  };
  await clock.jump(3 * hourMs);
  const votes = [{ before, uptimeMs: 10 * dayMs, hasUsers: true }];
  const { trust } = await watchClock(database.db, { votes });
  expect(trust).toMatchObject({ kind: 'suspect', cause: 'ahead' });
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('skipped');
  await clock.jump(0);
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('success');
});

const checkClockNow = async ({ query }: TestDatabase) => {
  const rows = await query<{ now: number }>`SELECT perennial.clock() AS now`;
  return rows[0]?.now as never;
};

/** A machine that has just booted, with a clock 3 h ahead, and a node that was not restarted. */
async function createBootedAhead({
  database,
  clock,
}: {
  database: TestDatabase;
  clock: FaultyClock;
}) {
  const node = await startEmbeddedNode({ inbounds: [{ tag: 'vless', protocol: 'vless' }] });
  const client = connectNode({ api: node.api, tls: false });
  const id = '7f3c1a52-6b0e-4c4d-9a5f-2f4f1d1c9a10' as CredentialId;
  await client.addUser('vless', { name: `acme-${id}`, id, flow: '' });
  client.close();
  await database.query`UPDATE perennial.node SET api = ${node.api}, tls = 'false'`;
  await database.query`DELETE FROM perennial.clock_witness`;
  await database.query`
    INSERT INTO perennial.clock_witness (id, name, uptime_ms, since_uptime_ms, at)
    VALUES ('node:nl-1', 'node nl-1', 0, 0, perennial.clock())`;
  await clock.jump(3 * hourMs);
  return { [Symbol.dispose]: () => node.stop() };
}

test('K6: a service that starts after a boot reads the uptimes of nodes, and suspects the clock before any work', async () => {
  await using shop = await createShopWithClock();
  const { database } = shop;
  using _ = await createBootedAhead(shop);
  const lines: string[] = [];
  const log = (_: object, line: string) => lines.push(line);
  const sentinel = await startSentinel(database.db, { debug: log, info: log, error: log });
  await sentinel.stop();
  expect(lines).toEqual([expect.stringMatching(/108\d\d s ahead of the uptime of node nl-1/)]);
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('skipped');
});

test('K6: a run by a command that comes first after a boot reads the uptimes of nodes', async () => {
  await using shop = await createShopWithClock();
  const before = await readClockState(shop.database);
  using _ = await createBootedAhead(shop);
  await watchAfterBoot(shop.database.db);
  const run = await runWorker(shop.database, 'auto-renewal');
  expect(run).toMatchObject({ outcome: 'skipped', detail: { code: 'clock_suspect' } });
  expect(await readCause(shop.database)).toBe('ahead');
  expect(await readClockState(shop.database)).toEqual(before);
});

test('K6: a command that comes first after a boot reads the uptimes of nodes', async () => {
  await using shop = await createShopWithClock();
  using _ = await createBootedAhead(shop);
  await watchAfterBoot(shop.database.db);
  await expectFault(buyPlan(shop.database, 1n), 'clock_suspect');
});

test('K6: without a witness, a machine whose own clock contradicts the database sells nothing and stores nothing', async () => {
  await using shop = await createShopWithClock();
  const { database } = shop;
  await database.query`DELETE FROM perennial.clock_witness`;
  const read = async () =>
    await database.query`SELECT mark_at, suspect_cause FROM perennial.clock_state`;
  const before = [await readClockState(database), await read()];
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 365 * dayMs });
  try {
    await expect(buyPlan(database, 1n)).rejects.toMatchObject({
      code: 'clock_suspect',
      message: expect.stringMatching(/the database clock is 3153\d{4} s ahead of the clock of /),
    });
    const run = await runWorker(database, 'auto-renewal');
    expect(run).toMatchObject({ outcome: 'skipped', detail: { skew_s: -31_536_000 } });
    expect((await watchClock(database.db)).trust.kind).toBe('suspect');
    expect([await readClockState(database), await read()]).toEqual(before);
  } finally {
    vi.useRealTimers();
  }
  await buyPlan(database, 1n);
});

test('K6: a suspended machine is outvoted by one that agrees with the database', async () => {
  await using shop = await createShopWithClock();
  const { database, clock } = shop;
  await clock.jump(hourMs);
  await database.query`
    INSERT INTO perennial.clock_witness (id, name, uptime_ms, since_uptime_ms, at)
    VALUES ('boot:other', 'host-2', ${2 * hourMs}, 0, perennial.clock())`;
  await watchClock(database.db);
  expect(await readCause(database)).toBeNull();
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('success');
});

test('K6: a machine that joined with the wrong time does not confirm it', async () => {
  await using shop = await createShopWithClock();
  const { database, clock } = shop;
  await clock.jump(hourMs);
  await database.query`
    INSERT INTO perennial.clock_witness (id, name, uptime_ms, since_uptime_ms, at)
    VALUES ('boot:other', 'host-2', ${2 * hourMs}, ${2 * hourMs - 5_000}, perennial.clock())`;
  await watchClock(database.db);
  expect(await readCause(database)).toBe('ahead');
  const rows = await database.query`SELECT id FROM perennial.clock_witness`;
  expect(rows).toEqual([{ id: thisMachine.id }]);
});

test('K7: a replica that read commits which are lost stops every change until they are accepted', async () => {
  await using shop = await createShopWithClock();
  const { database } = shop;
  const memory = { beat: -1n, timeline: null };
  await watchClock(database.db, { memory });
  await watchClock(database.db, { memory });
  expect(memory).toMatchObject({ timeline: 1 });
  // A server with the state of two checks ago.
  await database.query`UPDATE perennial.clock_state SET beat = beat - 1`;
  await watchClock(database.db, { memory });
  const lost = { code: 'commits_lost' };
  await expect(addBalance(database, 1n, 100n)).rejects.toMatchObject(lost);
  await expect(addCustomer(database, 9n)).rejects.toMatchObject(lost);
  await expect(buyPlan(database, 1n)).rejects.toMatchObject(lost);
  expect((await runWorker(database, 'auto-renewal')).detail.code).toBe('commits_lost');
  expect(await readAlarms(database)).toEqual(['alarm_clock commits']);
  // No clock ends the suspicion: a person has to compare the payments.
  await watchClock(database.db, { memory });
  expect(await readCause(database)).toBe('commits_lost');
  await acceptClock(database.db, 'cli');
  await watchClock(database.db, { memory });
  await addBalance(database, 1n, 100n);
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('success');
});

test('K7: a server on another timeline stops every change, also of a process that has just started', async () => {
  await using shop = await createShopWithClock();
  const { database } = shop;
  await database.query`UPDATE perennial.clock_state SET timeline = 7`;
  await expectFault(addBalance(database, 1n, 100n), 'commits_lost');
  await watchClock(database.db);
  expect(await readCause(database)).toBe('commits_lost');
  await acceptClock(database.db, 'cli');
  await addBalance(database, 1n, 100n);
});

test('K7: without the row of the time sentinel every change is refused, the row returns, and a person confirms', async () => {
  await using shop = await createShopWithClock();
  const { database } = shop;
  const deleteState = () => database.query`DELETE FROM perennial.clock_state`;
  await deleteState();
  const lost = { code: 'commits_lost', message: expect.stringContaining('clock_state') };
  await expect(addBalance(database, 1n, 100n)).rejects.toMatchObject(lost);
  await expect(buyPlan(database, 1n)).rejects.toMatchObject(lost);
  expect(await readClockMetrics(database)).toEqual([1, 0]);
  const { checks } = await runAudit(database.db);
  const wrong = checks.filter(({ violations }) => violations > 0n).map(({ id }) => id);
  expect(wrong).toEqual(['clock-is-watched']);
  expect((await runWorker(database, 'auto-renewal')).detail.code).toBe('commits_lost');
  expect(await readCause(database)).toBe('commits_lost');
  expect(await readAlarms(database)).toEqual(['alarm_clock commits']);
  await watchClock(database.db);
  expect(await readAlarms(database)).toHaveLength(1);
  // A confirmation also creates the row.
  await deleteState();
  expect((await acceptClock(database.db, 'cli')).accepted).toMatchObject({ cause: 'commits_lost' });
  await addBalance(database, 1n, 100n);
  expect((await runWorker(database, 'auto-renewal')).outcome).toBe('success');
});

test('K7: the stored clock of a test database needs no row of the time sentinel', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await createSubscriber(database, 1n, 500_00n);
  await database.query`DELETE FROM perennial.clock_state`;
  await buyPlan(database, 1n);
  expect((await runWorker(database, 'fast-expiry-cleanup')).outcome).toBe('success');
  expect(await confirmDeletionTime(database.db)).toBeUndefined();
});
