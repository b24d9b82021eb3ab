import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { hourMs, later } from '../../../../src/kernel/instant.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import {
  createShopDatabase,
  createSubscriber,
  parseTime,
  readSubscription,
  runWorker,
} from '../../../support/shop.ts';

// Ends in quarantine by our own fault: a trigger refuses the new state.

const end = parseTime('2026-12-01T00:00:00Z');

test('F10 R19: an end that fails is retried at the end of the grace at the latest', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  const id = await createSubscriber(database, 1n, 0n);
  await sql`
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'a fault of ours';
    END $$`.execute(database.db);
  await sql`
    CREATE TRIGGER refuse BEFORE UPDATE ON perennial.subscription FOR EACH ROW
    WHEN (NEW.state = 'expired') EXECUTE FUNCTION public.refuse()`.execute(database.db);
  for (const hours of [0, 1, 3, 7, 15]) {
    await database.setClock(later(end, hours * hourMs));
    await runWorker(database, 'fast-expiry-cleanup');
  }
  const { rows } = await sql`
    SELECT attempts, retry_at FROM perennial.quarantine
    WHERE worker = 'fast-expiry-cleanup'`.execute(database.db);
  expect(rows).toEqual([{ attempts: 5, retry_at: later(end, 24 * hourMs) }]);
  await sql`DROP TRIGGER refuse ON perennial.subscription`.execute(database.db);
  await database.setClock(later(end, 24 * hourMs));
  await runWorker(database, 'fast-expiry-cleanup');
  expect(await readSubscription(database, id)).toMatchObject({
    state: 'expired',
    quarantined: false,
  });
  expect(await findViolations(database.db)).toEqual([]);
}, 60_000);
