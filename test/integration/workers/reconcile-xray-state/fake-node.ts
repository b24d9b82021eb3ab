import { sql } from 'kysely';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import type { ConnectNode } from '../../../../src/workers/reconcile-xray-state/compare-node.ts';
import type { ListedUser, NodeApi } from '../../../../src/xray/port.ts';
import { formatUserName } from '../../../../src/xray/user-names.ts';
import type { TestDatabase } from '../../../support/database.ts';

/** A node with the users of `users`, slice by slice. `before` is called at each step. */
export function createFakeNode(
  users: () => Promise<readonly ListedUser[]>,
  before: (step: string) => Promise<void> = async () => undefined,
): ConnectNode {
  const api: Partial<NodeApi> = {
    async readInbounds() {
      await before('inbounds');
      return [{ tag: 'vless', manages: true, protocol: 'vless' }];
    },
    async *listUsers() {
      await before('list');
      const all = await users();
      await before('answer');
      for (let at = 0; at < all.length; at += 1_000) {
        yield all.slice(at, at + 1_000);
        await before('slice');
      }
      await before('end');
    },
    close: () => undefined,
  };
  return () => api as NodeApi;
}

/** The users who may connect, as a synchronized node has them. */
export async function readLiveUsers({ db }: Pick<TestDatabase, 'db'>): Promise<ListedUser[]> {
  const { rows } = await sql<{ id: CredentialId }>`
    SELECT id FROM perennial.credential WHERE retired_at IS NULL`.execute(db);
  return rows.map(({ id }) => ({ name: formatUserName('perennial', id), id, flow: '' }));
}
