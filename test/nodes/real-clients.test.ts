import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import { topUp } from '../../src/subscription/balance.ts';
import type { Books } from '../books.ts';
import { endsIn } from '../service/due-book.ts';
import { perennial } from '../service/process.ts';
import { until } from '../service/until.ts';
import { crowd, payer, standOf } from '../shop.ts';
import { xrayOrSkip } from '../xray/real-xray.ts';
import { credentialOf } from './compared.ts';
import { settled, shopOn } from './kept.ts';
import { aClient, aRealNode, equal } from './real-node.ts';

// What customers notice: `perennial start` in a process of its own, a real Xray, and clients that
// send requests through it. Real time: it is what is promised to them.

const path = xrayOrSkip('customers who connect through a real Xray') ?? '';

/** Waits until its end has come, by the database's clock. */
const ended = ({ db }: Books, id: SubscriptionId) =>
  until('its end', async () => {
    const { rows } = await sql`
      SELECT FROM perennial.subscription WHERE id = ${id} AND expires_at <= clock_timestamp()`.execute(
      db,
    );
    return rows.length === 1 ? true : undefined;
  });

describe.skipIf(path === '')('a customer with a client, and a real Xray', () => {
  test('who buys gets through; 5 s after the end no longer; who pays late gets through again with the same UUID', async () => {
    await using node = await aRealNode(path);
    await using books = await shopOn({ 'nl-1': { api: node.api } });
    await using service = perennial(['start'], { url: books.url });
    await service.ready();
    const id = await payer(books, 1n, 0n);
    const uuid = await credentialOf(books, id);
    await using client = await aClient(path, node, uuid);
    await client.untilIn(5_000);

    await endsIn(books, id, 3_000);
    expect(await client.passes()).toBe(true);
    await ended(books, id);
    await client.untilOut(5_000);
    expect(await standOf(books, id)).toMatchObject({ state: 'expired', live: 0 });

    await topUp({ db: books.db, actor: 'test' }, { telegramId: 1n, amountMinor: 149_00n });
    await client.untilIn(10_000);
    expect(await standOf(books, id)).toMatchObject({ state: 'active', live: 1, charges: 2 });
    expect(await credentialOf(books, id)).toBe(uuid);
  }, 90_000);

  test('X6: Xray is killed and started again with 1,000 users: they get through again within 10 s, without help', async () => {
    await using node = await aRealNode(path);
    await using books = await shopOn({ 'nl-1': { api: node.api } });
    await crowd(books, 1_000, '2100-01-01T00:00:00Z');
    const { rows } = await sql<{ id: SubscriptionId }>`
      SELECT max(id) AS id FROM perennial.subscription`.execute(books.db);
    const last = await credentialOf(books, rows[0]?.id ?? (0n as SubscriptionId));
    await using service = perennial(['start'], { url: books.url });
    await service.ready();
    await using client = await aClient(path, node, last);
    await client.untilIn(20_000);
    await settled(books);
    await node.xray.kill();
    expect(await client.passes()).toBe(false);
    await node.xray.start();
    await client.untilIn(10_000);
    await settled(books);
    await equal(books, node, 5_000);
    expect(await node.count()).toBe(1_000);
  }, 90_000);

  test('F2: whose end comes while the node is down is out within 10 s of its return, and who paid is in', async () => {
    await using node = await aRealNode(path);
    await using books = await shopOn({ 'nl-1': { api: node.api } });
    const ending = await payer(books, 1n, 0n);
    const paying = await payer(books, 2n, 0n);
    await using service = perennial(['start'], { url: books.url });
    await service.ready();
    await using one = await aClient(path, node, await credentialOf(books, ending));
    await using two = await aClient(path, node, await credentialOf(books, paying));
    await one.untilIn(20_000);
    await two.untilIn(20_000);
    await node.xray.kill();
    await endsIn(books, ending, 500);
    await until('it expired in the books', async () =>
      (await standOf(books, ending)).state === 'expired' ? true : undefined,
    );
    await node.xray.start();
    await two.untilIn(10_000);
    await settled(books, 'nl-1', 10_000);
    expect(await one.passes()).toBe(false);
    expect(await node.count()).toBe(1);
  }, 90_000);
});
