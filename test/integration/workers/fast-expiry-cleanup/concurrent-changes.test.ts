import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { SubscriptionId } from '../../../../src/kernel/ids.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { until } from '../../../../testbed/until.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import { hookPool, type StatementEvent } from '../../../support/hooked-pool.ts';
import { countBlocked } from '../../../support/locks.ts';
import { createRestorePoint, type RestorePoint } from '../../../support/restore-point.ts';
import {
  addBalance,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  expectSubscription,
  runAutoRenewal,
  runWorker,
} from '../../../support/shop.ts';

// A customer pays, or is given time, in each gap of a run of expiry over their subscription.
//
// A change before the lock is read. A change after the lock waits, and revives the ended
// subscription. The result is the same: the same credential, and a period without a gap.

const end = '2026-12-01T00:00:00Z';
const renewed = '2026-12-31T00:00:00Z';

interface Gap {
  readonly when: StatementEvent['when'];
  readonly statement: RegExp;
  /** The run has locked the customer, so other sessions wait. */
  readonly locked?: boolean;
}

const findStatement = /s\.state = 'active' AND s\.expires_at <=/;
const gaps: Readonly<Record<string, Gap>> = {
  'before the finding': { when: 'before', statement: findStatement },
  'between the finding and the lock': { when: 'before', statement: /SKIP LOCKED/ },
  'between the lock and the facts': { when: 'after', statement: /SKIP LOCKED/, locked: true },
  'before anything is written': {
    when: 'before',
    statement: /FROM perennial\.quarantine/,
    locked: true,
  },
  'before the count': { when: 'before', statement: /UPDATE perennial\.worker_run/, locked: true },
  'after all, before the commit': {
    when: 'after',
    statement: /UPDATE perennial\.worker_run/,
    locked: true,
  },
  'after the commit': { when: 'after', statement: /^commit$/i },
};

let database: TestDatabase;
let restorePoint: RestorePoint;
let id: SubscriptionId;
/** The action in a gap, once. */
let pendingAction: { readonly gap: Gap; readonly happens: () => Promise<void> } | undefined;
let isFound = false;

async function hook({ sql: text, when }: StatementEvent): Promise<void> {
  if (findStatement.test(text)) isFound = true;
  if (
    pendingAction === undefined ||
    when !== pendingAction.gap.when ||
    !pendingAction.gap.statement.test(text)
  )
    return;
  // Some of these statements also run outside the batch.
  if (!isFound && pendingAction.gap.statement !== findStatement) return;
  const { happens: execute } = pendingAction;
  pendingAction = undefined;
  await execute();
}

beforeAll(async () => {
  database = await createShopDatabase({
    now: '2026-11-01T00:00:00Z',
    wrapPool: (pool) => hookPool(pool, hook),
  });
  id = await createSubscriber(database, 1n, 0n);
  await database.setClock(end);
  restorePoint = await createRestorePoint(database);
});

afterAll(async () => {
  await restorePoint[Symbol.asyncDispose]();
  await database.close();
});

beforeEach(async () => {
  pendingAction = undefined;
  isFound = false;
  await restorePoint.restore();
});

interface CustomerAction {
  readonly before?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
  readonly charges: number;
}

const switchOffRenewal = () => setAutoRenew(createCaller(database), { telegramId: 1n, on: false });
const actions: Readonly<Record<string, CustomerAction>> = {
  'a purchase': {
    before: async () => {
      await addBalance(database, 1n, 149_00n);
      await switchOffRenewal();
    },
    run: () => buyPlan(database, 1n),
    charges: 2,
  },
  'a top-up and the renewal that it wakes': {
    run: async () => {
      await addBalance(database, 1n, 149_00n);
      await runAutoRenewal(database);
    },
    charges: 2,
  },
  'a renewal by another run': {
    before: () => addBalance(database, 1n, 149_00n),
    run: () => runAutoRenewal(database),
    charges: 2,
  },
  'a grant': {
    before: switchOffRenewal,
    run: () => grant(createCaller(database), { telegramId: 1n, days: 30 }),
    charges: 1,
  },
};

const readCredentials = async () =>
  await database.query<{ id: string; live: boolean }>`
      SELECT id, retired_at IS NULL AS live FROM perennial.credential`;

/** Lets the work begin, and reach its end or a wait for the run. */
async function untilBlockedOrDone(work: Promise<unknown>): Promise<void> {
  let over = false;
  const ended = () => {
    over = true;
  };
  work.then(ended, ended);
  await until('done or waiting', async () => over || (await countBlocked(database)) > 0);
}

const cases = Object.keys(actions).flatMap((action) =>
  Object.keys(gaps).map((gap) => [action, gap] as const),
);

test.each(cases)('F3: %s %s wins, and the access stays as it was', async (action, where) => {
  const { before, run: does, charges } = actions[action] as CustomerAction;
  const gap = gaps[where] as Gap;
  await before?.();
  const [{ id: credential } = { id: '' }] = await readCredentials();
  let under: Promise<unknown> | undefined;
  pendingAction = {
    gap,
    async happens() {
      under = does();
      await (gap.locked === true ? untilBlockedOrDone(under) : under);
    },
  };
  const run = await runWorker(database, 'fast-expiry-cleanup');
  await under;
  expect({ under: under !== undefined, outcome: run.outcome }).toEqual({
    under: true,
    outcome: 'success',
  });
  await expectSubscription(database, id, { state: 'active', ends: renewed, charges });
  expect(await readCredentials()).toEqual([{ id: credential, live: true }]);
  expect(await findViolations(database.db)).toEqual([]);
});
