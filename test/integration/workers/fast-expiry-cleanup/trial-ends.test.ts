import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SubscriptionId } from '../../../../src/kernel/ids.ts';
import { hourMs, type Instant, later, minuteMs } from '../../../../src/kernel/instant.ts';
import { openReplica, type Replica } from '../../../../src/leases/replica.ts';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import { hookPool, type StatementEvent } from '../../../support/hooked-pool.ts';
import { createRestorePoint, type RestorePoint } from '../../../support/restore-point.ts';
import {
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  parseTime,
  runWorker,
} from '../../../support/shop.ts';

// A customer on a trial buys: converts the trial, or buys another subscription beside it. The
// purchase comes before the end, after it, and during the run that ends the trial. In every order,
// the paid time runs to its end.

const begin = parseTime('2026-11-24T09:00:00Z');
const end = parseTime('2026-11-27T09:00:00Z');

type Act =
  | { readonly do: 'clock'; readonly fromEndMs: number }
  | { readonly do: 'buy'; readonly isNew: boolean }
  | { readonly do: 'remind' }
  /** Ends what has ended. A purchase comes at a statement of the run, or at the same time. */
  | { readonly do: 'end'; readonly buys: Purchase };

type Purchase = { readonly isNew: boolean; readonly when: When } | undefined;
type When = keyof typeof gaps | 'at once';

const gaps = {
  'before the finding': ['before', /s\.state = 'active' AND s\.expires_at <=/],
  'between the finding and the lock': ['before', /SKIP LOCKED/],
  'after all': ['after', /^commit$/i],
} as const satisfies Record<string, readonly [StatementEvent['when'], RegExp]>;

let database: TestDatabase;
let restorePoint: RestorePoint;
let replica: Replica;
let pendingAction:
  | { readonly gap: keyof typeof gaps; readonly happens: () => Promise<unknown> }
  | undefined;

async function runPendingAction({ sql: text, when }: StatementEvent): Promise<void> {
  if (pendingAction === undefined) return;
  const [moment, statement] = gaps[pendingAction.gap];
  if (when !== moment || !statement.test(text)) return;
  const { happens: runPending } = pendingAction;
  pendingAction = undefined;
  await runPending();
}

beforeAll(async () => {
  database = await createShopDatabase({
    now: begin,
    wrapPool: (pool) => hookPool(pool, runPendingAction),
  });
  await addCustomer(database, 1n, { balanceMinor: 5_000_00n });
  await startTrial(createCaller(database), { telegramId: 1n });
  replica = openReplica(database.url);
  restorePoint = await createRestorePoint(database);
});

afterAll(async () => {
  await replica.close();
  await restorePoint[Symbol.asyncDispose]();
  await database.close();
});

interface PaidSubscription {
  readonly id: SubscriptionId;
  readonly state: string;
  readonly expiresAt: Instant;
  readonly live: number;
  readonly running: boolean;
}

/** The paid subscriptions and their present access. */
async function readPaid(): Promise<PaidSubscription[]> {
  const rows = await database.query<PaidSubscription>`
    SELECT s.id, s.state, s.expires_at AS "expiresAt", s.expires_at > perennial.clock() AS running,
      (SELECT count(*)::int FROM perennial.credential c
        WHERE c.subscription_id = s.id AND c.retired_at IS NULL) AS live
    FROM perennial.subscription s WHERE EXISTS (SELECT FROM perennial.period p
      WHERE p.subscription_id = s.id AND p.source = 'purchase') ORDER BY s.id`;
  return rows;
}

/** If several are active, a purchase without a choice is refused. Then it buys another one. */
async function buy(isNew: boolean): Promise<void> {
  await buyPlan(database, 1n, { isNew }).catch(() => buyPlan(database, 1n, { isNew: true }));
}

const run = (worker: string) => runWorker(database, worker, { replica });

async function expireDuring(purchase: Purchase): Promise<void> {
  if (purchase === undefined) await run('fast-expiry-cleanup');
  else if (purchase.when === 'at once') {
    await Promise.all([buy(purchase.isNew), run('fast-expiry-cleanup')]);
  } else {
    pendingAction = { gap: purchase.when, happens: () => buy(purchase.isNew) };
    await run('fast-expiry-cleanup');
    pendingAction = undefined;
  }
}

async function runAct(act: Act): Promise<void> {
  switch (act.do) {
    case 'clock':
      return database.setClock(later(end, act.fromEndMs));
    case 'buy':
      return buy(act.isNew);
    case 'remind':
      return void (await run('trial-notifications'));
    case 'end':
      return expireDuring(act.buys);
  }
}

const isNew = fc.boolean();
const offsetsMs = [-hourMs, -1, 0, 1, minuteMs, 47 * hourMs];
const when = fc.constantFrom<When>(...(Object.keys(gaps) as When[]), 'at once');
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ do: fc.constant('clock'), fromEndMs: fc.constantFrom(...offsetsMs) }),
  fc.record({ do: fc.constant('buy'), isNew }),
  fc.record({ do: fc.constant('remind') }),
  fc.record({
    do: fc.constant('end'),
    buys: fc.option(fc.record({ isNew, when }), { nil: undefined }),
  }),
) as fc.Arbitrary<Act>;

/** Mostly around the end: at the end and after it, with the run that ends it and a purchase. */
const acts = fc
  .tuple(fc.array(act, { maxLength: 4 }), fc.array(act, { maxLength: 4 }))
  .map(([first, then]): Act[] => [
    ...first,
    { do: 'clock', fromEndMs: 0 },
    ...then,
    { do: 'clock', fromEndMs: minuteMs },
    { do: 'end', buys: undefined },
  ]);

test('T5: the end of a trial never revokes or shortens paid time, in any order of events', async () => {
  const holds = async (all: readonly Act[]) => {
    await restorePoint.restore();
    await database.setClock(begin);
    let before: readonly PaidSubscription[] = [];
    for (const one of all) {
      await runAct(one);
      const now = await readPaid();
      for (const { id, expiresAt } of before) {
        const after = now.find((row) => row.id === id);
        expect(after?.expiresAt).toBeGreaterThanOrEqual(expiresAt);
      }
      for (const row of now.filter(({ running }) => running)) {
        expect(row).toMatchObject({ state: 'active', live: 1 });
      }
      before = now;
    }
    expect(await findViolations(database.db)).toEqual([]);
  };
  await fc.assert(fc.asyncProperty(acts, holds), { numRuns: 40, endOnFailure: true });
}, 120_000);
