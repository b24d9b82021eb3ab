import { runAudit } from '../src/audit/audit.ts';
import { runBulkJob } from '../src/bulk/job-run.ts';
import { createBulkJob, readBulkJob } from '../src/bulk/job-store.ts';
import { openDatabase, openPool } from '../src/db/connect.ts';
import type { SubscriptionId } from '../src/kernel/ids.ts';
import { grant } from '../src/subscription/commands/grant.ts';
import { walkPages } from '../src/subscription/queries/list-page.ts';
import { parseFilter } from '../src/subscription/queries/subscription-filter.ts';
import { listSubscriptions } from '../src/subscription/queries/subscription-list.ts';
import { buildDataset } from '../testbed/dataset.ts';
import { type BenchDatabases, openBenchDatabases } from './databases.ts';
import { type Benchmark, median, type Row } from './table.ts';

// The time of a bulk grant, against single grants one after the other on the same database. The
// database is audited after each.

/** A tenth of the subscriptions: about 10,000 of 100,000. */
const where = { state: 'active', kind: 'paid', auto_renew: 'no' } as const;
const size = 100_000;
/** Single grants are measured on this many customers. */
const singlesMax = 1_000;

type Db = ReturnType<typeof openDatabase>;

interface Measured {
  readonly seconds: number;
  readonly done: number;
}

const secondsSince = (startedAt: number): number => (performance.now() - startedAt) / 1_000;

async function measureBulk(db: Db): Promise<Measured> {
  const caller = { db, actor: 'bench', key: 'bulk' };
  const startedAt = performance.now();
  const { id } = await createBulkJob(caller, { action: 'grant', days: 2 }, where);
  await runBulkJob(db, BigInt(id), { mustStop: () => false });
  const seconds = secondsSince(startedAt);
  return { seconds, done: (await readBulkJob(db, BigInt(id))).done };
}

async function measureSingles(db: Db): Promise<Measured> {
  const pages = walkPages((request) => listSubscriptions(db, request), {
    filter: parseFilter(where),
    max: singlesMax,
  });
  const targets: { readonly telegramId: bigint; readonly subscriptionId: SubscriptionId }[] = [];
  for await (const { items } of pages) {
    for (const { telegram_id: telegramId, id } of items) {
      targets.push({
        telegramId: BigInt(telegramId),
        subscriptionId: BigInt(id) as SubscriptionId,
      });
    }
  }
  const startedAt = performance.now();
  for (const target of targets) {
    const key = `single-${target.subscriptionId}`;
    await grant({ db, actor: 'bench', key }, { ...target, days: 2 });
  }
  return { seconds: secondsSince(startedAt), done: targets.length };
}

async function measureOnce(
  databases: BenchDatabases,
  work: (db: Db) => Promise<Measured>,
): Promise<Measured> {
  const db = openDatabase(openPool(await databases.copy('book', 'measured')));
  try {
    const measured = await work(db);
    const { checks } = await runAudit(db);
    const violated = checks.filter(({ violations }) => violations > 0n).map(({ id }) => id);
    if (violated.length > 0) throw new Error(`the audit failed: ${violated.join(', ')}`);
    return measured;
  } finally {
    await db.destroy();
    await databases.drop('measured');
  }
}

export const benchmark: Benchmark = {
  description: 'a bulk grant of 10,000 customers, against single grants',
  async run({ subscriptions, rounds, server, log }) {
    await using databases = await openBenchDatabases(server);
    const built = Math.min(subscriptions, size);
    log(`building a database of ${built} subscriptions`);
    await databases.template('book', (client) =>
      buildDataset(client, { subscriptions: built, due: 0 }),
    );
    const rates: { readonly bulk: number[]; readonly single: number[] } = { bulk: [], single: [] };
    let customers = 0;
    for (let round = 1; round <= rounds; round += 1) {
      const bulk = await measureOnce(databases, measureBulk);
      const single = await measureOnce(databases, measureSingles);
      rates.bulk.push(bulk.done / bulk.seconds);
      rates.single.push(single.done / single.seconds);
      customers = bulk.done;
      log(`round ${round}: ${bulk.done} customers in ${bulk.seconds.toFixed(1)} s`);
    }
    const toRow = (variant: string, all: readonly number[]): Row => ({
      variant,
      rate: median(all),
      seconds_of_10000: 10_000 / median(all),
      ratio_to_single: median(all) / median(rates.single),
    });
    return [
      toRow(`bulk grant of ${customers} customers`, rates.bulk),
      toRow('single grants', rates.single),
    ];
  },
};
