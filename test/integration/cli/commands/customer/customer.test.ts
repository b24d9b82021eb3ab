import { expect, test } from 'vitest';
import { buildCustomerCommand } from '../../../../../src/cli/commands/customer/customer.ts';
import { runCommand } from '../../../../support/command-line.ts';
import type { TestDatabase } from '../../../../support/database.ts';
import { expectFault } from '../../../../support/faults.ts';
import {
  addCustomer,
  createReseller,
  createShopDatabase,
  createSubscriber,
  firstSubscriber,
} from '../../../../support/shop.ts';

// `perennial customer …`, in this process: conditions, and the access that a command gives.

const runCustomerCommand = async (database: TestDatabase, line: string) =>
  (await runCommand(buildCustomerCommand, database, line.split(' '))).out;

async function createLinkedShop(): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  await database.query`UPDATE perennial.node SET link = link || '{"port": 443}'`;
  return database;
}

test('a command whose condition does not hold is refused and changes nothing; otherwise it is done', async () => {
  await using database = await createLinkedShop();
  await createSubscriber(database, 7n, 2_000_00n);
  const end = '2026-12-24T09:00:00Z';
  const stale = '2026-12-24T09:00:00.001Z';
  const { rows } = await database.pool.query<{ id: string }>('SELECT id FROM perennial.period');
  const period = rows[0]?.id;
  const commands = [
    'purchase 7 --plan basic --days 30',
    'auto-renew 7 off',
    'change-plan 7 --plan plus --days 30',
    `refund 7 --period ${period}`,
    'grant 7 --days 1',
    'revoke 7',
  ];
  const state = async () => JSON.parse(await runCustomerCommand(database, 'show 7 --json'));
  const before = await state();
  for (const line of commands) {
    const refused = runCustomerCommand(database, `${line} --if-expires-at ${stale}`);
    await expect(refused, line).rejects.toMatchObject({ code: 'expires_at_changed' });
  }
  const none = runCustomerCommand(database, `${commands[0]} --if-expires-at none`);
  await expectFault(none, 'expires_at_changed');
  for (const line of [commands[0], commands[2]]) {
    const refused = runCustomerCommand(database, `${line} --if-price 1`);
    await expect(refused, line).rejects.toMatchObject({ code: 'price_changed' });
  }
  expect(await state()).toEqual(before);
  await runCustomerCommand(database, `auto-renew 7 off --if-expires-at ${end}`);
  await runCustomerCommand(
    database,
    `purchase 7 --plan basic --days 30 --if-price 149 --if-expires-at ${end}`,
  );
  expect((await state()).subscriptions[0]).toMatchObject({
    auto_renew: false,
    expires_at: '2027-01-23T09:00:00.000Z',
  });
  await expect(
    runCustomerCommand(database, 'grant 7 --days 1 --if-expires-at soon'),
  ).rejects.toThrow(/"soon" is not a time/);
});

test('a dry run of a refund states that nothing was changed, then the answer of the command', async () => {
  await using database = await createShopDatabase();
  await createSubscriber(database, 7n, 2_000_00n);
  const before = await runCustomerCommand(database, 'show 7 --json');
  const [period] = JSON.parse(before).subscriptions[0].periods;
  const line = `refund 7 --period ${period.id}`;
  const planned = await runCustomerCommand(database, `${line} --dry-run`);
  expect(planned).toMatch(/^dry run: nothing was changed; the command would answer:\ntelegram_id /);
  const json = JSON.parse(await runCustomerCommand(database, `${line} --dry-run --json`));
  expect(json).toMatchObject({ dry_run: true, telegram_id: 7 });
  expect(await runCustomerCommand(database, 'show 7 --json')).toBe(before);
  expect(await runCustomerCommand(database, line)).not.toContain('dry');
});

test('purchase, trial and reissue print the subscription URL and the links of the subscription', async () => {
  await using database = await createLinkedShop();
  await addCustomer(database, 7n, { balanceMinor: 500_00n });
  for (const line of ['trial 7', 'purchase 7 --plan basic --days 30', 'reissue 7']) {
    const { sub_token, links } = JSON.parse(await runCustomerCommand(database, `${line} --json`));
    const shown = JSON.parse(await runCustomerCommand(database, 'show 7 --json'));
    expect({ sub_token, links }, line).toEqual({
      sub_token: shown.customer.sub_token,
      links: shown.links,
    });
    expect(links).toHaveLength(1);
  }
  const text = await runCustomerCommand(database, 'reissue 7');
  expect(text).toMatch(/\nsubscription URL \/sub\/\S{16,}\n\nlinks\nnl-1: vless:\/\//);
});

test('`customer show` names a node that is down, and the changes that wait for it', async () => {
  await using database = await createShopDatabase();
  const id = Number(await createSubscriber(database, 7n, 0n));
  await database.pool.query(`UPDATE perennial.node SET down_since = '2026-11-24T08:30:00Z'`);
  const { nodes } = JSON.parse(await runCustomerCommand(database, 'show 7 --json'));
  const downSince = '2026-11-24T08:30:00.000Z';
  expect(nodes).toEqual([
    { subscription_id: id, node: 'nl-1', down_since: downSince, waits_for: 'add' },
  ]);
  const text = await runCustomerCommand(database, 'show 7');
  expect(text).toContain(`nl-1: down since 2026-11-24 08:30Z, subscription ${id}: add pending`);
});

test('W4: `customer show` lists the nodes of the shown subscriptions only', async () => {
  await using database = await createReseller('2026-11-24T09:00:00Z', 130, '2026-12-01T00:00:00Z');
  const view = JSON.parse(await runCustomerCommand(database, `show ${firstSubscriber} --json`));
  const ids = view.subscriptions.map((subscription: { id: number }) => subscription.id);
  const listed = view.nodes.map((node: { subscription_id: number }) => node.subscription_id);
  expect(listed).toEqual(ids);
  expect(listed).toHaveLength(100);
});
