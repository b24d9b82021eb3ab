import { expect, test } from 'vitest';
import type { CredentialId } from '../../../src/kernel/ids.ts';
import { dayMs, hourMs } from '../../../src/kernel/instant.ts';
import { reissue } from '../../../src/subscription/commands/reissue.ts';
import { until } from '../../../testbed/until.ts';
import { runComparison } from '../../support/comparison.ts';
import { untilSynced } from '../../support/nodes.ts';
import { createCaller, createSubscriber } from '../../support/shop.ts';
import { backUpDatabase, restoreDatabase } from './backup.ts';
import { advanceClock, createEnvironment, type Environment } from './environment.ts';
import { AccessMonitor } from './monitor.ts';

async function readLiveCredentials({ database }: Environment): Promise<CredentialId[]> {
  const rows = await database.query<{ id: CredentialId }>`
    SELECT id FROM perennial.credential WHERE retired_at IS NULL ORDER BY subscription_id`;
  return rows.map(({ id }) => id);
}

test('X3: after a restore, later customers can connect until a person confirms their removal, and the first comparison restores missing users', async () => {
  await using environment = await createEnvironment(1);
  const { database, nodes } = environment;
  const [n1] = nodes;
  if (n1 === undefined) throw new Error('there are no nodes');
  const admits = (ids: readonly CredentialId[]) => ids.map((id) => n1.node.accepts('vless', id));
  await createSubscriber(database, 1n, 0n);
  const subscriptionId = await createSubscriber(database, 2n, 0n);
  await untilSynced(database);
  const before = await readLiveCredentials(environment);
  await backUpDatabase(environment);
  // After the backup: a purchase, a new credential, and some hours.
  await createSubscriber(database, 3n, 0n);
  await reissue(createCaller(database), { telegramId: 2n, subscriptionId });
  await advanceClock(environment, hourMs);
  await untilSynced(database);
  const since = (await readLiveCredentials(environment)).slice(1);
  expect([admits(before), admits(since)]).toEqual([
    [true, false],
    [true, true],
  ]);

  const monitor = new AccessMonitor(environment);
  await restoreDatabase(environment, monitor);
  expect(await readLiveCredentials(environment)).toEqual(before);
  // No person requests it. Each node is due, because its last comparison went back with the
  // restore.
  const { ends } = await runComparison(database);
  const unknown = ends.map((end) => end.is === 'compared' && end.comparison.kinds.unknown);
  expect(unknown.toSorted()).toEqual([0, 2, 2]);
  await until('the restored users can connect', () => admits(before).every(Boolean));
  // A day of comparisons changes nothing.
  await advanceClock(environment, dayMs);
  await runComparison(database);
  await untilSynced(database);
  expect(admits(since)).toEqual([true, true]);
  await runComparison(database, { requestedNode: 'all', confirmed: true });
  await until('the later users were removed', () =>
    admits(since).some(Boolean) ? undefined : true,
  );
  await monitor.check('the confirmation');
  expect(admits(before)).toEqual([true, true]);
}, 60_000);
