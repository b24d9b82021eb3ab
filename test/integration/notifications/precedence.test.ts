import { describe, expect, test } from 'vitest';
import { hourMs } from '../../../src/kernel/instant.ts';
import {
  createShopDatabase,
  createSubscriber,
  runWorker,
  runWorkerAt,
} from '../../support/shop.ts';
import { readOutcomes, start } from '../../support/warnings.ts';

// The precedence on a real database: several workers notify about one end.

describe('one notification at a time about one end, in any order of the workers', () => {
  const workers = ['auto-renewal', 'expiry-reminders'] as const;
  const orders = [workers, workers.toReversed()];
  test.each(
    orders.flatMap((order) => [
      // Nothing has run since the previous morning.
      [order[0], 'back 5 hours before the end', '6h', '2026-11-25T04:00:00Z', order] as const,
      [order[0], 'a window of 24 hours', '24h', '2026-11-24T09:00:00Z', order] as const,
    ]),
  )('%s first, %s', async (_, _what, window, at, order) => {
    await using database = await createShopDatabase({ now: start });
    await createSubscriber(database, 1n, 100_00n);
    const window_ms = Number.parseInt(window, 10) * hourMs;
    await database.query`
      INSERT INTO perennial.setting (key, value) VALUES ('renewal', ${{ window_ms }})`;
    await database.query`DELETE FROM perennial.notification`;
    await runWorkerAt(database, at, order[0] as string);
    // The notifications of the first worker alone: sent, or waiting for the other one.
    const [[kind, alone]] = Object.entries(await readOutcomes(database)) as [[string, string]];
    expect([kind, alone]).toEqual(
      order[0] === 'auto-renewal' ? ['low_balance', 'send'] : ['ends_24h', 'wait'],
    );
    await runWorker(database, order[1] as string);
    expect(await readOutcomes(database)).toEqual({ low_balance: 'send', ends_24h: 'low_balance' });
    await database.query`
      UPDATE perennial.notification SET state = 'sent', sent_at = ${at}, sending_since = ${at}
      WHERE kind = 'low_balance'`;
    const after = order[0] === 'auto-renewal' ? 'just_told' : 'low_balance';
    expect(await readOutcomes(database)).toMatchObject({ ends_24h: after });
  });

  test('a reminder waits at most 15 minutes for a low balance that auto-renewal does not find', async () => {
    await using database = await createShopDatabase({ now: start });
    await createSubscriber(database, 1n, 100_00n);
    await runWorkerAt(database, '2026-11-25T06:00:00Z', 'expiry-reminders');
    await database.setClock('2026-11-25T06:14:59.999Z');
    expect(await readOutcomes(database)).toMatchObject({ ends_3h: 'wait' });
    await database.setClock('2026-11-25T06:15:00Z');
    expect(await readOutcomes(database)).toMatchObject({ ends_3h: 'send' });
  });
});
