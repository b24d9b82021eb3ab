import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { userName } from '../../src/xray/names.ts';
import { until } from '../service/until.ts';
import { payer } from '../shop.ts';
import { compared, credentialOf } from './compared.ts';
import { aNode, keep, nodeRow, settled, shopOn } from './kept.ts';

// An inbound that isn't used any more may have users whom no mark can name: where the books were
// restored, they know nothing of what was told to the node since.

test('X3: who is on an inbound that is not used any more is found: ours go, unknown names once a person said so, others stay', async () => {
  using node = await aNode([
    { tag: 'vless', protocol: 'vless' },
    { tag: 'old', protocol: 'trojan' },
  ]);
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  const api = connectNode({ api: node.api });
  onTestFinished(api.close);
  const live = await credentialOf(books, await payer(books, 1n, 0n));
  const endedId = await payer(books, 2n, 0n);
  const ended = await credentialOf(books, endedId);
  await using _ = keep(books);
  await settled(books);
  await sql`UPDATE perennial.credential SET retired_at = perennial.clock() WHERE id = ${ended}`.execute(
    books.db,
  );
  // Also one that the node doesn't have any more.
  await sql`UPDATE perennial.node SET former_inbounds = '{old,gone}'`.execute(books.db);
  const unknown = randomUUID() as CredentialId;
  for (const id of [live, ended, unknown]) {
    await api.addUser('old', { name: userName('perennial', id), id, flow: '' });
  }
  await api.addUser('old', { name: 'somebody-else', id: live, flow: '' });

  const first = await compared(books, { asked: 'nl-1' });
  expect(first.ends).toMatchObject([
    { found: { kinds: { missing: 0, unwanted: 1, different: 1, unknown: 1, conflict: 0 } } },
  ]);
  await settled(books);
  const left = [userName('perennial', unknown), 'somebody-else'];
  expect([...node.names('old')].sort()).toEqual(left);
  expect(node.names('vless')).toEqual([userName('perennial', live)]);

  await compared(books, { asked: 'nl-1', confirmed: true });
  await until('the unknown name is gone', () =>
    node.names('old').length === 1 ? true : undefined,
  );
  expect(node.names('old')).toEqual(['somebody-else']);
  expect((await nodeRow(books, 'nl-1')).last_error).toBeNull();
});
