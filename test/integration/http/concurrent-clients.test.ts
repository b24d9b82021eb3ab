import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { type ApiResponse, createKey, startApi } from '../../support/api.ts';
import { readSeed } from '../../support/seed.ts';
import { addCustomer, buyPlan, runWorker } from '../../support/shop.ts';

// Sixteen clients of one customer, and a worker between them. Some clients lose the connection
// before the answer, and repeat the request under the same key, as a bot does. The answers match
// the database, to the last kopeck.

interface ClientRequest {
  readonly path: string;
  readonly body: object;
  /** How often the client hangs up before it reads the answer. */
  readonly cutOff: number;
  readonly cutAfterMs: number;
}

const requestBodies: fc.Arbitrary<Pick<ClientRequest, 'path' | 'body'>> = fc.oneof(
  fc
    .integer({ min: 1, max: 500 })
    .map((amount) => ({ path: 'top-ups', body: { amount: `${amount}.00` } })),
  fc.constantFrom('basic', 'mini').map((plan) => ({
    path: 'purchases',
    body: { plan, period_days: 30, new: true, auto_renew: true },
  })),
  fc
    // The first three periods are due. A refund would turn off their renewal.
    .integer({ min: 4, max: 14 })
    .map((period_id) => ({ path: 'refunds', body: { period_id, part: 'whole' } })),
  fc.constant({ path: 'adjustments', body: { amount: '-1', reason: 'fee' } }),
);

const clientRequests: fc.Arbitrary<ClientRequest> = fc
  .record({
    order: requestBodies,
    cutOff: fc.constantFrom(0, 0, 0, 1, 2),
    cutAfterMs: fc.integer({ min: 0, max: 12 }),
  })
  .map(({ order, ...rest }) => ({ ...order, ...rest }));

/** The change of the balance in an answer, in kopecks, with its sign. */
function computeChange({ path }: ClientRequest, { json, status }: ApiResponse): number {
  if (status >= 300) return 0;
  const kopecks = Math.round(Number(json.amount) * 100);
  return path === 'purchases' ? -kopecks : kopecks;
}

test('R16: sixteen clients of one customer lose answers and repeat requests: the answers match the database', async () => {
  const api = await startApi({ connectionsMax: 20, limits: patientLimits });
  const { database } = api;
  // Three subscriptions that are due for renewal while the clients send requests.
  await database.setClock('2026-10-25T09:00:00Z');
  await addCustomer(database, 7n, { balanceMinor: 20_030_00n });
  for (let n = 0; n < 3; n += 1) await buyPlan(database, 7n, { plan: 'mini', isNew: true });
  await database.setClock('2026-11-24T08:00:00Z');
  const [givenRequests] = fc.sample(
    fc.array(fc.array(clientRequests, { minLength: 5, maxLength: 5 }), {
      minLength: 16,
      maxLength: 16,
    }),
    { seed: readSeed(), numRuns: 1 },
  ) as [ClientRequest[][]];
  let answeredSum = 20_000_00;
  let done = 0;
  let answered = 0;
  const runs: ReturnType<typeof runWorker>[] = [];
  const client = async (ownRequests: readonly ClientRequest[]) => {
    for (const plan of ownRequests) {
      const answer = await untilAnswered(api, plan);
      expect(answer.status, answer.text).toBeLessThan(500);
      answeredSum += computeChange(plan, answer);
      if (answer.status < 300) done += 1;
      answered += 1;
      if (answered % 12 === 0) runs.push(runWorker(database, 'auto-renewal'));
    }
  };
  await Promise.all(givenRequests.map(client));
  // Runs between the requests skip the locked customer. The last run finds the customer unlocked.
  await Promise.all(runs);
  // A delay of `renewal.retry` after the latest request ends with the period.
  await database.setClock('2026-11-24T09:00:00Z');
  runs.push(runWorker(database, 'auto-renewal'));
  const renewed = (await Promise.all(runs)).reduce((sum, { changed }) => sum + Number(changed), 0);

  const { json } = await api.send('GET', '/v1/customers/7');
  expect(renewed).toBeGreaterThanOrEqual(3);
  const { rows } = await database.pool.query(
    "SELECT coalesce(sum(amount_minor), 0)::int AS sum, count(*)::int AS count FROM perennial.ledger_entry WHERE kind = 'renewal'",
  );
  const [renewals] = rows as [{ sum: number; count: number }];
  expect(renewals.count).toBe(renewed);
  const balance = Math.round(Number(json.balance) * 100);
  expect(balance, `seed ${readSeed()}`).toBe(answeredSum + renewals.sum);
  const report = await runAudit(database.db);
  expect(report.checks.filter(({ violations }) => violations > 0n)).toEqual([]);
  expect(done).toBeGreaterThan(16);
  process.stdout.write(
    `hammered: seed ${readSeed()}, ${done} requests and ${renewed} renewals took effect\n`,
  );
}, 60_000);

/** Unlimited, because sixteen clients wait for one row on a machine that may be busy. */
const patientLimits = { statementMs: 0, lockMs: 0, idleInTransactionMs: 0 };

/** Repeats a request under one key until an answer was read. Hangs up `cutOff` times before. */
async function untilAnswered(
  api: Awaited<ReturnType<typeof startApi>>,
  plan: ClientRequest,
): Promise<ApiResponse> {
  const key = createKey();
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
    const answer = await api.send('POST', path, { key, body: plan.body });
    if (!answer.text.includes('problem:in_flight')) return answer;
  }
}
