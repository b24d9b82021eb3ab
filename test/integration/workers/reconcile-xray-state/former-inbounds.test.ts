import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import { formatUserName } from '../../../../src/xray/user-names.ts';
import { until } from '../../../../testbed/until.ts';
import { readCredential, runComparison } from '../../../support/comparison.ts';
import {
  createShopWithNodes,
  readNode,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { createSubscriber } from '../../../support/shop.ts';

// A former inbound may have users whom no mark can name: a restored database has no record of the
// changes after its backup.

test('X3: users on a former inbound are found: ours are removed, unknown names after a confirmation, others stay', async () => {
  using node = await startNode([
    { tag: 'vless', protocol: 'vless' },
    { tag: 'old', protocol: 'trojan' },
  ]);
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  const api = connectNode({ api: node.api });
  onTestFinished(api.close);
  const live = await readCredential(database, await createSubscriber(database, 1n, 0n));
  const endedId = await createSubscriber(database, 2n, 0n);
  const ended = await readCredential(database, endedId);
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  await database.query`UPDATE perennial.credential SET retired_at = perennial.clock() WHERE id = ${ended}`;
  // Also one that the node no longer has.
  await database.query`UPDATE perennial.node SET former_inbounds = '{old,gone}'`;
  const unknown = randomUUID() as CredentialId;
  for (const id of [live, ended, unknown]) {
    await api.addUser('old', { name: formatUserName('perennial', id), id, flow: '' });
  }
  await api.addUser('old', { name: 'stranger', id: live, flow: '' });

  const first = await runComparison(database, { requestedNode: 'nl-1' });
  expect(first.ends).toMatchObject([
    { comparison: { kinds: { missing: 0, unwanted: 1, different: 1, unknown: 1, conflict: 0 } } },
  ]);
  await untilSynced(database);
  const left = [formatUserName('perennial', unknown), 'stranger'];
  expect([...node.listUserNames('old')].sort()).toEqual(left);
  expect(node.listUserNames('vless')).toEqual([formatUserName('perennial', live)]);

  await runComparison(database, { requestedNode: 'nl-1', confirmed: true });
  await until('the unknown name is gone', () => node.listUserNames('old').length === 1);
  expect(node.listUserNames('old')).toEqual(['stranger']);
  expect((await readNode(database, 'nl-1')).last_error).toBeNull();
});
