import { expect, test } from 'vitest';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { reissue } from '../../../../src/subscription/commands/reissue.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { expectFault } from '../../../support/faults.ts';
import { createCaller, createShopDatabase, createSubscriber } from '../../../support/shop.ts';

const now = '2026-11-24T09:00:00Z';
const telegramId = 1n;

async function createScene() {
  const database = await createShopDatabase({ now });
  await database.query`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('nl-2', '127.0.0.1:2', '{vless}', '{fast}', '{}')`;
  await createSubscriber(database, telegramId, 0n);
  await database.query`DELETE FROM perennial.access_sync`;
  return database;
}

interface Credential {
  readonly id: CredentialId;
  readonly live: boolean;
  readonly marks: readonly string[];
}

/** The credentials in the order of their issue, with the nodes that have a mark for them. */
async function readCredentials({ query }: TestDatabase): Promise<Credential[]> {
  const rows = await query<Credential>`
    SELECT c.id, c.retired_at IS NULL AS live, coalesce((SELECT array_agg(node_id ORDER BY node_id)
      FROM perennial.access_sync m WHERE m.credential_id = c.id AND m.urgent), '{}') AS marks
    FROM perennial.credential c ORDER BY c.replaced DESC, c.ctid`;
  return rows;
}

test('a running subscription gets a new credential; the old one is retired; both are marked on every node', async () => {
  await using database = await createScene();
  const [old] = await readCredentials(database);
  const answer = await reissue(createCaller(database), { telegramId });
  expect(answer).toMatchObject({ plan: 'basic', state: 'active', balance: '0.00' });
  const both = ['nl-1', 'nl-2'];
  expect(await readCredentials(database)).toEqual([
    { id: old?.id, live: false, marks: both },
    { id: expect.not.stringMatching(old?.id ?? ''), live: true, marks: both },
  ]);
  const rows = await database.query`
    SELECT action, actor FROM perennial.event ORDER BY id DESC LIMIT 1`;
  expect(rows).toEqual([{ action: 'reissued', actor: 'test' }]);
});

test('a replaced credential is never revived, also if all changes have the same time', async () => {
  await using database = await createScene();
  const [old] = await readCredentials(database);
  await reissue(createCaller(database), { telegramId });
  await reissue(createCaller(database), { telegramId });
  const last = (await readCredentials(database)).find(({ live }) => live);
  // A grant restores what an expiry left.
  await database.query`UPDATE perennial.subscription SET state = 'expired'`;
  await database.query`
    UPDATE perennial.credential SET retired_at = perennial.clock() WHERE retired_at IS NULL`;
  await grant(createCaller(database), { telegramId, days: 7 });
  const live = (await readCredentials(database)).filter((one) => one.live);
  expect(live.map(({ id }) => id)).toEqual([last?.id]);
  expect(last?.id).not.toBe(old?.id);
});

test('without an active subscription a reissue is refused with the reason', async () => {
  await using database = await createScene();
  const asked = () => reissue(createCaller(database), { telegramId });
  await database.setClock('2026-12-24T09:00:00Z');
  await expect(asked()).rejects.toMatchObject({
    code: 'not_running',
    message: expect.stringMatching(/^subscription \d+ ended at 2026-12-24T09:00:00.000Z: /),
  });
  await database.setClock('2026-12-24T08:59:59.999Z');
  await asked();
  await revoke(createCaller(database), { telegramId, reason: 'test' });
  await expect(asked()).rejects.toThrow(/was revoked: a new credential would give no access/);
  await expectFault(reissue(createCaller(database), { telegramId: 9n }), 'no_customer');
});
