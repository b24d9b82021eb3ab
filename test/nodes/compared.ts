import { sql } from 'kysely';
import type { ConnectNode, NodeEnd } from '../../src/workers/reconcile-xray-state/one-node.ts';
import { reconcile } from '../../src/workers/reconcile-xray-state/worker.ts';
import { openReplica, type Replica } from '../../src/workers/replica.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import type { Books } from '../books.ts';

// One reconciliation, now, and what it left.

export interface CompareOptions {
  readonly asked?: string;
  readonly confirmed?: boolean;
  readonly connect?: ConnectNode;
  readonly signal?: AbortSignal;
  readonly budgetMs?: number;
  readonly elapsedMs?: () => number;
  readonly replica?: Replica;
  /** Gets what the run logs as warning or error. */
  readonly troubles?: object[];
}

export async function compared(
  { db, url }: Pick<Books, 'db' | 'url'>,
  options: CompareOptions = {},
) {
  const replica = options.replica ?? openReplica(url);
  const ends: NodeEnd[] = [];
  const note = (fields: object, message: string) =>
    void options.troubles?.push({ ...fields, message });
  try {
    const row = await reconcile(
      {
        db,
        replica,
        batchMax: 1_000,
        budgetMs: options.budgetMs ?? Number.POSITIVE_INFINITY,
        signal: options.signal ?? new AbortController().signal,
        elapsedMs: options.elapsedMs ?? (() => 0),
        log: { warn: note, error: note },
        confirmed: options.confirmed ?? false,
        onNode: (end) => ends.push(end),
        ...(options.asked === undefined ? {} : { asked: options.asked }),
      },
      options.connect ?? connectNode,
    );
    return { ...row, ends };
  } finally {
    if (options.replica === undefined) await replica.close();
  }
}

/** The marks of a node, as subscription ids, and whether what is there is replaced. */
export async function marked({ db }: Pick<Books, 'db'>, node = 'nl-1') {
  const { rows } = await sql<{ subscription: bigint; urgent: boolean; replace: boolean }>`
    SELECT c.subscription_id AS subscription, m.urgent, m.replace
    FROM perennial.access_sync m JOIN perennial.credential c ON c.id = m.credential_id
    WHERE m.node_id = ${node} ORDER BY 1`.execute(db);
  return rows;
}

export async function unmark({ db }: Pick<Books, 'db'>): Promise<void> {
  await sql`DELETE FROM perennial.access_sync`.execute(db);
}

/** The live credential of a subscription, or its last one. */
export async function credentialOf({ db }: Pick<Books, 'db'>, subscription: bigint) {
  const { rows } = await sql<{ id: import('../../src/kernel/ids.ts').CredentialId }>`
    SELECT id FROM perennial.credential WHERE subscription_id = ${subscription}
    ORDER BY retired_at DESC NULLS FIRST LIMIT 1`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error(`subscription ${subscription} has no credential`);
  return row.id;
}
