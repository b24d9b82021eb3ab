import fc from 'fast-check';
import { expect, test } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { buys, joins, runOf } from '../a-book.ts';
import { seedInUse } from '../seed.ts';
import { type Answered, anApi, newKey } from './api.ts';

// Sixteen clients at one customer, with a worker between them. Some are cut off before they read
// their answer and ask again under the same key, as a bot does. What they were told is what the books
// hold, to the last kopeck.

interface Plan {
  readonly path: string;
  readonly body: object;
  /** How often the client hangs up before it reads the answer. */
  readonly cutOff: number;
  readonly cutAfterMs: number;
}

const orders: fc.Arbitrary<Pick<Plan, 'path' | 'body'>> = fc.oneof(
  fc
    .integer({ min: 1, max: 500 })
    .map((amount) => ({ path: 'top-ups', body: { amount: `${amount}.00` } })),
  fc.constantFrom('basic', 'mini').map((plan) => ({
    path: 'purchases',
    body: { plan, period_days: 30, new: true, auto_renew: true },
  })),
  fc
    // The first three are those that are due: a refund would say that they aren't wanted.
    .integer({ min: 4, max: 14 })
    .map((period_id) => ({ path: 'refunds', body: { period_id, part: 'whole' } })),
  fc.constant({ path: 'adjustments', body: { amount: '-1', reason: 'fee' } }),
);

const plans: fc.Arbitrary<Plan> = fc
  .record({
    order: orders,
    cutOff: fc.constantFrom(0, 0, 0, 1, 2),
    cutAfterMs: fc.integer({ min: 0, max: 12 }),
  })
  .map(({ order, ...rest }) => ({ ...order, ...rest }));

/** Kopecks that an answer says were moved, signed as the balance sees them. */
function movedBy({ path }: Plan, { json, status }: Answered): number {
  if (status >= 300) return 0;
  const kopecks = Math.round(Number(json.amount) * 100);
  return path === 'purchases' ? -kopecks : kopecks;
}

test('R16: sixteen clients at one customer, cut off and asking again: the books are what they were told', async () => {
  const api = await anApi({ connectionsMax: 20, limits: patient });
  const { books } = api;
  // Three that are due for renewal while the clients are at it.
  await books.setClock('2026-10-25T09:00:00Z');
  await joins(books, 7n, { balanceMinor: 530_00n });
  for (let n = 0; n < 3; n += 1) await buys(books, 7n, { plan: 'mini', isNew: true });
  await books.setClock('2026-11-24T08:00:00Z');
  const [given] = fc.sample(
    fc.array(fc.array(plans, { minLength: 5, maxLength: 5 }), { minLength: 16, maxLength: 16 }),
    {
      seed: seedInUse(),
      numRuns: 1,
    },
  ) as [Plan[][]];
  let told = 500_00;
  let done = 0;
  let asked = 0;
  const runs: ReturnType<typeof runOf>[] = [];
  const client = async (mine: readonly Plan[]) => {
    for (const plan of mine) {
      const answer = await untilAnswered(api, plan);
      expect(answer.status, answer.text).toBeLessThan(500);
      told += movedBy(plan, answer);
      if (answer.status < 300) done += 1;
      asked += 1;
      if (asked % 12 === 0) runs.push(runOf(books, 'auto-renewal'));
    }
  };
  await Promise.all(given.map(client));
  // Runs between them passed over a customer whom somebody held; the last one has her for itself.
  await Promise.all(runs);
  runs.push(runOf(books, 'auto-renewal'));
  const renewed = (await Promise.all(runs)).reduce((sum, { changed }) => sum + Number(changed), 0);

  const { json } = await api.ask('GET', '/v1/customers/7');
  expect(renewed).toBeGreaterThanOrEqual(3);
  const { rows } = await books.pool.query(
    "SELECT coalesce(sum(amount_minor), 0)::int AS sum, count(*)::int AS count FROM perennial.ledger_entry WHERE kind = 'renewal'",
  );
  const [renewals] = rows as [{ sum: number; count: number }];
  expect(renewals.count).toBe(renewed);
  const balance = Math.round(Number(json.balance) * 100);
  expect(balance, `seed ${seedInUse()}`).toBe(told + renewals.sum);
  const report = await audit(books.db);
  expect(report.checks.filter(({ violations }) => violations > 0n)).toEqual([]);
  expect(done).toBeGreaterThan(16);
  process.stdout.write(
    `hammered: seed ${seedInUse()}, ${done} requests and ${renewed} renewals took effect\n`,
  );
}, 60_000);

/** Sixteen wait in one line here, on a machine that does other things as well. */
const patient = { statementMs: 0, lockMs: 0, idleInTransactionMs: 0 };

/** Asks under one key until an answer was read: hangs up first as often as the plan says. */
async function untilAnswered(
  api: Awaited<ReturnType<typeof anApi>>,
  plan: Plan,
): Promise<Answered> {
  const key = newKey();
  const path = `/v1/customers/7/${plan.path}`;
  for (let cut = 0; cut < plan.cutOff; cut += 1) {
    const signal = AbortSignal.timeout(plan.cutAfterMs);
    await fetch(`${api.address}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${api.tokens.admin}`,
        'idempotency-key': key,
        'content-type': 'application/json',
      },
      body: JSON.stringify(plan.body),
      signal,
    }).catch(() => undefined);
  }
  for (;;) {
    const answer = await api.ask('POST', path, { key, body: plan.body });
    if (!answer.text.includes('problem:in_flight')) return answer;
  }
}
