import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { revoke } from '../../src/subscription/granting.ts';
import type { Conduct } from '../../src/xray/embedded/node.ts';
import type { Books } from '../books.ts';
import { until } from '../service/until.ts';
import { crowd, payer } from '../shop.ts';
import { aNode, equal, keep, namesInBooks, settled, shopOn } from './kept.ts';

// Who was on his way to a node when the connection broke: he may have ended its life, and most
// likely did not.

const suspectsOf = async ({ db }: Books): Promise<number> => {
  const { rows } = await sql<{ count: bigint }>`
    SELECT count(*) FROM perennial.access_sync WHERE lost > 0`.execute(db);
  return Number(rows[0]?.count);
};

test('S4: hundreds who are suspected after a death go in small turns, and who is to go meanwhile goes first', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  await crowd(books, 900, '2100-01-01T00:00:00Z');
  await payer(books, 1n, 0n);
  const { rows } = await sql<{ name: string }>`
    SELECT 'perennial-' || c.id AS name FROM perennial.credential c
    JOIN perennial.customer u ON u.id = c.customer_id WHERE u.telegram_id = 1`.execute(books.db);
  const ending = rows[0]?.name ?? '';
  const sent: string[] = [];
  node.conduct = async ({ method, name }): Promise<Conduct> => {
    // A node that is far.
    await pause(20);
    if (method !== 'AlterInbound') return 'serve';
    sent.push(name);
    // Not by the one who is to go later.
    if (sent.length !== 400 || name === ending) return 'serve';
    void node.restart();
    return 'hang';
  };
  await using _ = keep(books);
  await until(
    'all but suspects are there again',
    async () => {
      const suspects = await suspectsOf(books);
      const there = node.names('vless').length;
      return suspects > 128 && sent.length > 500 && there >= 901 - suspects ? true : undefined;
    },
    30_000,
  );
  await revoke({ db: books.db, actor: 'test' }, { telegramId: 1n, reason: 'test' });
  const ordered = sent.length;
  const went = await until('it is removed', () => {
    const at = sent.indexOf(ending, ordered);
    return at < 0 ? undefined : at;
  });
  // The turn that was under way, and the next one if its marks were just read.
  expect(went - ordered).toBeLessThanOrEqual(64);
  await settled(books);
  await equal(books, node);
  expect(await namesInBooks(books)).toHaveLength(900);
}, 60_000);
