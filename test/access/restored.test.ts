import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { dayMs, hourMs } from '../../src/kernel/instant.ts';
import { reissue } from '../../src/subscription/reissuing.ts';
import { compared } from '../nodes/compared.ts';
import { settled } from '../nodes/kept.ts';
import { until } from '../service/until.ts';
import { payer } from '../shop.ts';
import { backUpBooks, restoreBooks } from './backup.ts';
import { Watch } from './watch.ts';
import { openWorld, passes, type World } from './world.ts';

async function liveOnes({ books }: World): Promise<CredentialId[]> {
  const { rows } = await sql<{ id: CredentialId }>`
    SELECT id FROM perennial.credential WHERE retired_at IS NULL ORDER BY subscription_id`.execute(
    books.db,
  );
  return rows.map(({ id }) => id);
}

test('X3: after a restored backup whoever bought since can connect until a person says otherwise, and whoever is missing comes back with the first comparison', async () => {
  await using world = await openWorld(1);
  const { books, nodes } = world;
  const [n1] = nodes;
  if (n1 === undefined) throw new Error('there are no nodes');
  const letIn = (ids: readonly CredentialId[]) => ids.map((id) => n1.node.admits('vless', id));
  await payer(books, 1n, 0n);
  const subscriptionId = await payer(books, 2n, 0n);
  await settled(books);
  const before = await liveOnes(world);
  await backUpBooks(world);
  // Since then: somebody bought, somebody got a new credential, and hours went by.
  await payer(books, 3n, 0n);
  await reissue({ db: books.db, actor: 'test' }, { telegramId: 2n, subscriptionId });
  await passes(world, hourMs);
  await settled(books);
  const since = (await liveOnes(world)).slice(1);
  expect([letIn(before), letIn(since)]).toEqual([
    [true, false],
    [true, true],
  ]);

  const watch = new Watch(world);
  await restoreBooks(world, watch);
  expect(await liveOnes(world)).toEqual(before);
  // Nobody asks for it: each node is due, since when it was compared last went back with the books.
  const { ends } = await compared(books);
  const unknown = ends.map((end) => end.end === 'compared' && end.found.kinds.unknown);
  expect(unknown.toSorted()).toEqual([0, 2, 2]);
  await until('all of before are there again', () =>
    letIn(before).every(Boolean) ? true : undefined,
  );
  // A day of comparisons changes nothing.
  await passes(world, dayMs);
  await compared(books);
  await settled(books);
  expect(letIn(since)).toEqual([true, true]);
  await compared(books, { asked: 'all', confirmed: true });
  await until('the others are gone', () => (letIn(since).some(Boolean) ? undefined : true));
  await watch.look('all is said');
  expect(letIn(before)).toEqual([true, true]);
}, 60_000);
