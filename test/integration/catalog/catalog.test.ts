import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { applySteps } from '../../../src/catalog/apply.ts';
import { describeStep, diffCatalog } from '../../../src/catalog/diff.ts';
import { listPlans } from '../../../src/catalog/plan-list.ts';
import { loadConfig } from '../../../src/config/config.ts';
import { readClock } from '../../../src/db/clock.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { readSettings } from '../../../src/subscription/store/settings.ts';
import { applyConfig, createConfig } from '../../support/catalog.ts';
import { createDatabase } from '../../support/database.ts';
import { expectFault } from '../../support/faults.ts';
import { countMarks } from '../../support/nodes.ts';
import {
  createSubscriber,
  expectSubscription,
  runWorker,
  runWorkerAt,
} from '../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';

const shop = (price: number, more = '') =>
  createConfig(`
plans:
  basic: { title: Basic, groups: [all], prices: { RUB: { 30: ${price}, 90: 399 } } }
${more}`);

const node = (link: string, inbound = 'vless') => `
nodes:
  - { id: nl-1, api: "127.0.0.1:1", groups: [all], inbounds: [${inbound}], link: { host: ${link}, port: 443 } }`;

test('a file applied twice changes nothing the second time', async () => {
  await using database = await createDatabase({ now: start });
  const config = shop(
    149,
    `discounts: { vip_percent: 40 }\ntrial: { plan: basic, days: 5 }${node('a.example')}`,
  );
  expect(await applyConfig(database, config)).toHaveLength(6);
  expect(await applyConfig(database, config)).toEqual([]);
  expect(await readSettings(database.db)).toMatchObject({
    vipPercent: 40,
    trial: { plan: 'basic', days: 5 },
  });
});

test('a new price is valid from now on, and the old price stays in the database', async () => {
  await using database = await createDatabase({ now: start });
  await applyConfig(database, shop(149));
  await database.setClock('2026-11-02T00:00:00Z');
  expect(await applyConfig(database, shop(199))).toEqual([
    '~ price basic 30 d: 149.00 RUB -> 199.00 RUB',
  ]);
  const rows = await database.query<{ amount_minor: bigint }>`
    SELECT amount_minor FROM perennial.plan_price WHERE period_days = 30
    ORDER BY valid_from`;
  expect(rows.map((row) => row.amount_minor)).toEqual([149_00n, 199_00n]);
  const [basic] = await listPlans(database.db, await readClock(database.db));
  expect(basic?.prices.map((price) => price.amount)).toEqual(['199.00', '399.00']);
});

test('a plan that is no longer listed is retired: its customers are renewed, and new customers cannot buy it', async () => {
  await using database = await createDatabase({ now: start });
  await applyConfig(database, shop(149));
  const id = await createSubscriber(database, 1n, 149_00n);
  const other = createConfig(
    'plans: { plus: { title: Plus, groups: [all], prices: { RUB: { 30: 299 } } } }',
  );
  expect(await applyConfig(database, other)).toContain(
    '- plan basic: retired (its customers keep it and are renewed; it cannot be bought)',
  );
  await runWorkerAt(database, '2026-11-30T22:00:00Z', 'auto-renewal');
  await expectSubscription(database, id, { charges: 2, balance: 0 });
  await expectFault(createSubscriber(database, 2n, 0n), 'no_plan');
});

test('R10: a renewal without a price is quarantined and raises an alarm; a new price makes it due at once', async () => {
  await using database = await createDatabase({ now: start });
  await applyConfig(database, shop(149));
  const id = await createSubscriber(database, 1n, 149_00n);
  const withoutMonth = createConfig(
    'plans: { basic: { title: Basic, groups: [all], prices: { RUB: { 90: 399 } } } }',
  );
  await applyConfig(database, withoutMonth);
  expect(await runWorkerAt(database, '2026-11-30T22:00:00Z', 'auto-renewal')).toMatchObject({
    outcome: 'degraded',
    failed: 1n,
  });
  const rows = await database.query<{ alarms: bigint }>`
    SELECT count(*) AS alarms FROM perennial.notification WHERE kind = 'alarm_quarantine'`;
  expect(rows).toEqual([{ alarms: 1n }]);
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({ examined: 0n });
  await applyConfig(database, shop(149));
  expect(await runWorker(database, 'auto-renewal')).toMatchObject({
    outcome: 'success',
    changed: 1n,
  });
  await expectSubscription(database, id, { charges: 2 });
});

test('a changed inbound marks all credentials; a new public host changes only links', async () => {
  await using database = await createDatabase({ now: start });
  await applyConfig(database, shop(149, node('a.example')));
  await createSubscriber(database, 1n, 0n);
  await database.query`DELETE FROM perennial.access_sync`;
  expect(await applyConfig(database, shop(149, node('b.example')))).toEqual(['~ node nl-1: link']);
  expect(await countMarks(database)).toBe(0);
  await applyConfig(database, shop(149, node('b.example', 'other')));
  expect(await countMarks(database)).toBe(1);
});

test('another flow in the link marks each user for replacement, not urgent', async () => {
  await using database = await createDatabase({ now: start });
  await applyConfig(database, shop(149, node('a.example, security: tls')));
  await createSubscriber(database, 1n, 0n);
  await database.query`DELETE FROM perennial.access_sync`;
  const vision = 'a.example, security: tls, flow: xtls-rprx-vision';
  await applyConfig(database, shop(149, node(vision)));
  const rows = await database.query`SELECT replace, urgent FROM perennial.access_sync`;
  expect(rows).toEqual([{ replace: true, urgent: false }]);
});

test('a node at another address is seeded, and its users keep their names: the installation cannot be renamed', async () => {
  await using database = await createDatabase({ now: start });
  const at = (api: string) => node('a.example').replace('127.0.0.1:1', api);
  expect(
    await applyConfig(database, createConfig(`installation: acme\n${at('10.0.0.2:1')}`)),
  ).toContain('~ installation: perennial -> acme');
  await database.query`
    UPDATE perennial.node SET boot_at = perennial.clock(), seeded_boot_at = perennial.clock(),
      former_inbounds = '{old}'`;
  await expectFault(
    applyConfig(database, createConfig('installation: other')),
    'installation_in_use',
  );
  expect(await applyConfig(database, createConfig('currency: RUB'))).toEqual([]);
  expect(await applyConfig(database, createConfig(at('10.0.0.2:2')))).toEqual([
    '~ node nl-1: api 10.0.0.2:1 -> 10.0.0.2:2',
  ]);
  const rows = await database.query`SELECT seeded_boot_at, former_inbounds FROM perennial.node`;
  expect(rows).toEqual([{ seeded_boot_at: null, former_inbounds: ['old'] }]);
  await expectFault(
    applyConfig(database, createConfig('installation: other')),
    'installation_in_use',
  );
});

test('a rename of the installation is refused if a keeper reaches its node meanwhile', async () => {
  await using database = await createDatabase({ now: start });
  await applyConfig(database, shop(149, node('a.example')));
  const renamed = inTransaction(database.db, async (tx) => {
    const now = await readClock(tx);
    const steps = await diffCatalog(tx, createConfig('installation: acme'), now);
    expect(steps.map(describeStep)).toEqual(['~ installation: perennial -> acme']);
    await database.query`UPDATE perennial.node SET boot_at = perennial.clock()`;
    await applySteps(tx, steps, 'test', now);
  });
  await expectFault(renamed, 'installation_in_use');
});

test('a node at the address of another node in the database is refused with the remedy', async () => {
  await using database = await createDatabase({ now: start });
  const one = node('a.example');
  await applyConfig(database, shop(149, one));
  const now = await readClock(database.db);
  const asked = (nodes: string) => diffCatalog(database.db, shop(149, nodes), now);
  await expect(asked(one.replace('nl-1', 'nl-2'))).rejects.toMatchObject({
    code: 'double_node',
    message: expect.stringMatching(
      /the api "127.0.0.1:1" of node "nl-2" is that of node "nl-1" in the database; .*"perennial node remove nl-1"/,
    ),
  });
  const moved = `${one.replace('127.0.0.1:1', '127.0.0.1:2')}
  - { id: nl-2, api: "127.0.0.1:1", groups: [all], inbounds: [vless], link: { host: b, port: 1 } }`;
  await expect(asked(moved)).rejects.toThrow(/apply the new address of "nl-\d" first/);
});

test('a link that no customer can use is refused, and paths of TLS files are relative to the configuration', async () => {
  await using database = await createDatabase({ now: start });
  const bad = node('a.example, security: reality, sni: example.com');
  await expect(applyConfig(database, shop(149, bad))).rejects.toMatchObject({
    code: 'bad_link',
    message: expect.stringContaining(
      'perennial.yaml: node nl-1: link.pbk: is missing; expected 43',
    ),
  });
  const tls = node('a.example').replace('groups:', 'tls: { ca: ca.pem }, groups:');
  const here = { ...shop(149, tls), path: '/etc/perennial/shop.yaml' };
  await applyConfig(database, here);
  expect(await applyConfig(database, here)).toEqual([]);
  const rows = await database.query`SELECT tls FROM perennial.node`;
  expect(rows).toEqual([{ tls: { ca: '/etc/perennial/ca.pem' } }]);
});

test('all faults that require the database are reported at once, with their lines', async () => {
  await using database = await createDatabase({ now: start });
  const folder = await mkdtemp(join(tmpdir(), 'config-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await applyConfig(database, shop(149, node('a.example')));
  const text = `trial: { plan: gone, days: 3 }
renewal: { window: 20d, retry: 1h, revive: 7d }
nodes:
  - { id: nl-2, api: "127.0.0.1:1", groups: [all], inbounds: [vless], link: { host: b, port: 1 } }
  - { id: nl-3, api: "127.0.0.1:3", groups: [all], inbounds: [vless], link: { host: b, port: 1, security: reality, sni: x } }
`;
  await writeFile(join(folder, 'shop.yaml'), text);
  const config = loadConfig({ config: join(folder, 'shop.yaml') }, {});
  const refused = await diffCatalog(database.db, config, await readClock(database.db)).catch(
    (error: Error) => error.message.replaceAll(`${folder}/`, ''),
  );
  expect(String(refused).split('\n')).toEqual([
    'shop.yaml: line 1: trial.plan: "gone" is not a plan; available: basic',
    expect.stringMatching(/^shop\.yaml: line 2: renewal\.window: "20d" is longer than half/),
    expect.stringMatching(/^shop\.yaml: line 4: nodes: the api "127\.0\.0\.1:1" of node "nl-2"/),
    expect.stringMatching(/^shop\.yaml: line 5: node nl-3: link\.pbk: is missing/),
  ]);
});
