import { readFileSync } from 'node:fs';
import { generateTestData } from '../../src/demo/test-data.ts';
import { formatHeader, formatLine } from '../../src/import-export/format.ts';
import type { PeriodId } from '../../src/kernel/ids.ts';
import { dayMs, hourMs, type Instant, instant, later } from '../../src/kernel/instant.ts';
import { refund } from '../../src/subscription/commands/refund.ts';
import { topUp } from '../../src/subscription/commands/top-up.ts';
import { startTrial } from '../../src/subscription/commands/trial.ts';
import { applyConfig, createConfig } from './catalog.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { importText } from './import-export.ts';
import { startNode, type TestNode } from './nodes.ts';
import { addBalance, addCustomer, buyPlan, createCaller, runWorkerAt } from './shop.ts';

// A shop with half a day of history that ends now, for the dashboard: generated customers, named
// customers, two nodes that answer, and one that does not.

export interface DashboardShop extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly node: TestNode;
}

/** The Telegram ids of the customers with a known state. */
export const shopCustomers = {
  /** `basic` ends in 2 days, and 302.00 RUB pay the next two renewals. */
  wealthy: 101n,
  /** `plus` ends in 20 hours. 10.00 RUB do not pay the renewal. */
  short: 102n,
  /** A trial. */
  newcomer: 103n,
  /** `basic` ends in 5 hours, and its renewal lacks 49.00 RUB. */
  due: 105n,
  /** A refunded month of `basic`. */
  refunded: 104n,
} as const;

export interface DashboardShopOptions {
  /** The number of generated customers. */
  readonly customers?: number;
  /** Plans and nodes only. */
  readonly isEmpty?: boolean;
}

const historyMs = 12 * hourMs;
/** The workers of the history; the service runs the others at once. */
const historyWorkers = [
  'auto-renewal',
  'fast-expiry-cleanup',
  'expiry-reminders',
  'deliver-notifications',
];

export async function createDashboardShop({
  customers = 300,
  isEmpty = false,
}: DashboardShopOptions = {}): Promise<DashboardShop> {
  const nodes = await Promise.all([startNode(), startNode()]);
  const [node] = nodes;
  const database = await createDatabase();
  const now = instant(Date.now());
  await database.setClock(later(now, -30 * dayMs));
  await applyConfig(database, createConfig(formatConfig(nodes)));
  if (!isEmpty) await createHistory(database, customers, now);
  // From here on the clock of the server counts.
  await database.query`UPDATE perennial.installation SET clock_at = null`;
  return {
    database,
    node,
    async [Symbol.asyncDispose]() {
      await database.close();
      for (const each of nodes) each.stop();
    },
  };
}

async function createHistory(
  database: TestDatabase,
  customers: number,
  now: Instant,
): Promise<void> {
  await createNamedCustomers(database, now);
  await importGenerated(database, customers, later(now, -historyMs));
  for (let at = later(now, -historyMs); at <= now; at = later(at, 4 * hourMs)) {
    for (const worker of historyWorkers) await runWorkerAt(database, at, worker);
  }
  await addTopUps(database);
}

/** The example of the documents, with these nodes and one that does not answer. */
function formatConfig(nodes: readonly TestNode[]): string {
  const apis = [...nodes.map(({ api }) => api), '127.0.0.1:1'];
  const lines = apis.map((api, index) => {
    const id = ['nl-1', 'de-1', 'fi-1'][index];
    const link = `{ host: ${id}.example.net, port: 443, security: tls, sni: ${id}.example.net }`;
    return `  - { id: ${id}, api: "${api}", groups: [all], inbounds: [vless], link: ${link} }`;
  });
  return `${readFileSync('examples/perennial.yaml', 'utf8')}\nnodes:\n${lines.join('\n')}\n`;
}

async function createNamedCustomers(database: TestDatabase, now: Instant): Promise<void> {
  const { wealthy, short, newcomer, due, refunded } = shopCustomers;
  await database.setClock(later(now, -30 * dayMs + 5 * hourMs));
  await addCustomer(database, due, { balanceMinor: 249_00n });
  await buyPlan(database, due);
  await database.setClock(later(now, -29 * dayMs - 4 * hourMs));
  await addCustomer(database, short, { balanceMinor: 309_00n });
  await buyPlan(database, short, { plan: 'plus' });
  await database.setClock(later(now, -28 * dayMs));
  await addCustomer(database, wealthy, { balanceMinor: 451_00n });
  await buyPlan(database, wealthy);
  await database.setClock(later(now, -dayMs));
  await addCustomer(database, newcomer, { locale: 'ru' });
  await startTrial(createCaller(database), { telegramId: newcomer });
  await addCustomer(database, refunded);
  await addBalance(database, refunded, 149_00n);
  await buyPlan(database, refunded);
  const [period] = await database.query<{ periodId: PeriodId }>`
    SELECT p.id AS "periodId" FROM perennial.period p JOIN perennial.customer c ON c.id = customer_id
    WHERE telegram_id = ${refunded}`;
  if (period === undefined) throw new Error('no period');
  await refund(createCaller(database), { telegramId: refunded, ...period, part: 'unused' });
}

async function importGenerated(
  database: TestDatabase,
  customers: number,
  at: Instant,
): Promise<void> {
  await database.setClock(at);
  const lines = [...generateTestData({ customers, seed: 1, now: at })];
  const text = formatHeader('csv') + lines.map((line) => formatLine('csv', line)).join('');
  const outcome = await importText(database.url, text, { pieceBytes: 65_536 });
  if (outcome.outcome === 'refused') throw new Error(JSON.stringify(outcome));
}

/** Some customers pay on the last day, at the present clock. */
async function addTopUps(database: TestDatabase): Promise<void> {
  const rows = await database.query<{ telegramId: bigint }>`
    SELECT telegram_id AS "telegramId" FROM perennial.customer
    WHERE telegram_id > 1000 AND balance_minor < 10000 ORDER BY id LIMIT 12`;
  for (const { telegramId } of rows) {
    const payment = { provider: 'cards', providerRef: `payment-${telegramId}` };
    await topUp(createCaller(database), { telegramId, amountMinor: 300_00n, ...payment });
  }
}
