import { openDatabase, openPool } from '../src/db/connect.ts';
import { listCustomers } from '../src/subscription/queries/customer-list.ts';
import type { ListPage, ListRequest } from '../src/subscription/queries/list-page.ts';
import { findCustomers } from '../src/subscription/queries/lookup.ts';
import { parseWhere } from '../src/subscription/queries/subscription-filter.ts';
import { listSubscriptions } from '../src/subscription/queries/subscription-list.ts';
import { buildDataset } from '../testbed/dataset.ts';
import { openBenchDatabases } from './databases.ts';
import { type Benchmark, median, type Row } from './table.ts';

// The time of a page of each list, for frequent, rare and impossible filters, and of a lookup. Each
// page is compared with a bare page of 50 rows by the primary key, in the same run. The times
// include the driver, so the time of the server is less.

type Db = ReturnType<typeof openDatabase>;

const pagesMax = 40;
const pageRows = 50;

const filters: readonly string[] = [
  '',
  'state=active',
  'plan=plus,kind=trial,auto_renew=no',
  'state=revoked',
  'node_group=fast,ends_after=2026-12-01,ends_before=2026-12-08',
  'short=yes,ends_before=2026-12-01',
  'short=yes',
  'unreachable=yes',
  'blocked=yes',
  'blocked=yes,unreachable=yes,plan=plus',
];

const lists = [
  ['customers by id', listCustomers, 'id'],
  ['customers by -telegram_id', listCustomers, '-telegram_id'],
  ['subscriptions by id', listSubscriptions, 'id'],
  ['subscriptions by expires_at', listSubscriptions, 'expires_at'],
] as const;

const timeMs = async (work: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
};

/** The first pages, one after the other. */
async function measurePages(
  db: Db,
  list: (db: Db, request: ListRequest) => Promise<ListPage<object>>,
  where: string,
  sort: string,
): Promise<number[]> {
  const times: number[] = [];
  let cursor: string | undefined;
  while (times.length < pagesMax) {
    let page: ListPage<object> | undefined;
    const request = { filter: parseWhere(where), max: pageRows, sort, cursor };
    times.push(
      await timeMs(async () => {
        page = await list(db, request);
      }),
    );
    if (page?.next_cursor == null) break;
    cursor = page.next_cursor;
  }
  return times;
}

export const benchmark: Benchmark = {
  description: 'the time of a page of each list and filter, against a bare page by primary key',
  async run({ subscriptions, server, log }) {
    await using databases = await openBenchDatabases(server);
    log(`building a database of ${subscriptions} subscriptions`);
    await databases.template('book', async (client) => {
      await buildDataset(client, { subscriptions, due: Math.ceil(subscriptions / 10) });
      await client.query(`
        UPDATE perennial.customer SET reachable = false WHERE id % 500 = 1;
        UPDATE perennial.customer SET blocked_at = created_at, blocked_reason = 'x'
        WHERE id % 5000 = 2`);
      await client.query('VACUUM ANALYZE perennial.customer');
    });
    const pool = openPool(await databases.copy('book', 'measured'), { prepared: true });
    const db = openDatabase(pool);
    const bare = async (after: number) =>
      pool.query({
        name: 'bare',
        text: 'SELECT * FROM perennial.subscription WHERE id > $1 ORDER BY id LIMIT 50',
        values: [after],
      });
    await bare(0);
    const bareTimes: number[] = [];
    for (let page = 0; page < pagesMax; page += 1) {
      bareTimes.push(await timeMs(() => bare(page * pageRows)));
    }
    const bareMs = median(bareTimes);
    const toRow = (variant: string, times: readonly number[]): Row => ({
      variant,
      median_ms: median(times),
      max_ms: Math.max(...times),
      ratio_to_bare: median(times) / bareMs,
    });
    const rows = [toRow('bare page of subscriptions by primary key', bareTimes)];
    for (const [name, list, sort] of lists) {
      for (const where of filters) {
        await measurePages(db, list, where, sort);
        const times = await measurePages(db, list, where, sort);
        log(
          `${name} ${where}: ${median(times).toFixed(1)} ms, at most ${Math.max(...times).toFixed(1)} ms`,
        );
        rows.push(toRow(`${name}: ${where === '' ? 'all' : where}`, times));
      }
    }
    const lookups: number[] = [];
    for (let n = 1; n <= pagesMax; n += 1) {
      lookups.push(await timeMs(() => findCustomers(db, String(100_000_000 + n))));
    }
    rows.push(toRow('lookup of a Telegram id', lookups));
    await db.destroy();
    return rows;
  },
};
