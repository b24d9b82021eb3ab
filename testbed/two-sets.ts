import type pg from 'pg';
import type { CredentialId } from '../src/kernel/ids.ts';
import type { DriftKind } from '../src/workers/reconcile-xray-state/rule.ts';
import type { NodeApi } from '../src/xray/port.ts';
import { tryParseUserName } from '../src/xray/user-names.ts';
import { driftedNode } from './drifted-node.ts';

// The obvious comparison: the entitled credentials in one Set, the users of the node in another. It
// reads the answer of the same node by the same client, and the database by a cursor.

async function readEntitled(client: pg.Client): Promise<Set<CredentialId>> {
  const entitled = new Set<CredentialId>();
  await client.query('BEGIN');
  await client.query(`DECLARE wanted NO SCROLL CURSOR FOR SELECT c.id FROM perennial.credential c
    JOIN perennial.subscription s ON s.id = c.subscription_id AND s.state = 'active'
    JOIN perennial.plan p ON p.key = s.plan
    JOIN perennial.node n ON n.id = '${driftedNode.id}' AND p.groups && n.groups
    WHERE c.retired_at IS NULL`);
  for (;;) {
    const { rows } = await client.query({ text: 'FETCH 10000 FROM wanted', rowMode: 'array' });
    if (rows.length === 0) break;
    for (const [id] of rows as [CredentialId][]) entitled.add(id);
  }
  await client.query('COMMIT');
  return entitled;
}

/** The number of differences of each kind. */
export async function compareInSets(
  client: pg.Client,
  node: NodeApi,
): Promise<Record<DriftKind, number>> {
  const listed = new Set<CredentialId>();
  const foreign: CredentialId[] = [];
  const found = { missing: 0, unwanted: 0, different: 0, unknown: 0, conflict: 0 };
  for await (const slice of node.listUsers(driftedNode.inbound)) {
    for (const { name, id, flow } of slice) {
      const ours = tryParseUserName(name, driftedNode.installation);
      if (ours === undefined) {
        if (id !== undefined) foreign.push(id);
        continue;
      }
      listed.add(ours);
      if (id !== ours || flow !== 'xtls-rprx-vision') found.different += 1;
    }
  }
  const entitled = await readEntitled(client);
  for (const id of entitled) if (!listed.has(id)) found.missing += 1;
  const extra = [...listed].filter((id) => !entitled.has(id));
  const countKnown = async (ids: readonly CredentialId[]): Promise<number> => {
    const { rows } = await client.query(
      'SELECT count(*)::int FROM perennial.credential WHERE id = ANY($1::uuid[])',
      [ids],
    );
    return rows[0].count;
  };
  found.unwanted = await countKnown(extra);
  found.unknown = extra.length - found.unwanted;
  found.conflict = await countKnown(foreign);
  return found;
}
