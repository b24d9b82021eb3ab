import { sql } from 'kysely';
import { openReplica, type Replica } from '../../src/leases/replica.ts';
import type {
  ComparisonOutcome,
  ConnectNode,
} from '../../src/workers/reconcile-xray-state/compare-node.ts';
import { reconcile } from '../../src/workers/reconcile-xray-state/worker.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import type { TestDatabase } from './database.ts';

// One run of reconcile-xray-state, and its results.

export interface ComparisonOptions {
  readonly requestedNode?: string;
  readonly confirmed?: boolean;
  readonly connect?: ConnectNode;
  readonly signal?: AbortSignal;
  readonly budgetMs?: number;
  readonly elapsedMs?: () => number;
  readonly replica?: Replica;
  /** Receives the warnings and errors that the run logs. */
  readonly problems?: object[];
}

export async function runComparison(
  { db, url }: Pick<TestDatabase, 'db' | 'url'>,
  options: ComparisonOptions = {},
) {
  const replica = options.replica ?? openReplica(url);
  const ends: ComparisonOutcome[] = [];
  const collect = (fields: object, message: string) =>
    void options.problems?.push({ ...fields, message });
  try {
    const row = await reconcile(
      {
        db,
        replica,
        batchMax: 1_000,
        budgetMs: options.budgetMs ?? Number.POSITIVE_INFINITY,
        signal: options.signal ?? new AbortController().signal,
        elapsedMs: options.elapsedMs ?? (() => 0),
        log: { warn: collect, error: collect },
        confirmed: options.confirmed ?? false,
        onNode: (end) => ends.push(end),
        ...(options.requestedNode === undefined ? {} : { nodeFilter: options.requestedNode }),
      },
      options.connect ?? connectNode,
    );
    return { ...row, ends };
  } finally {
    if (options.replica === undefined) await replica.close();
  }
}

/** The marks of a node as subscription ids, with their `replace`. */
export async function readMarks({ db }: Pick<TestDatabase, 'db'>, node = 'nl-1') {
  const { rows } = await sql<{ subscription: bigint; urgent: boolean; replace: boolean }>`
    SELECT c.subscription_id AS subscription, m.urgent, m.replace
    FROM perennial.access_sync m JOIN perennial.credential c ON c.id = m.credential_id
    WHERE m.node_id = ${node} ORDER BY 1`.execute(db);
  return rows;
}

export async function deleteMarks({ db }: Pick<TestDatabase, 'db'>): Promise<void> {
  await sql`DELETE FROM perennial.access_sync`.execute(db);
}

/** The live credential of a subscription, or its last one. */
export async function readCredential({ db }: Pick<TestDatabase, 'db'>, subscription: bigint) {
  const { rows } = await sql<{ id: import('../../src/kernel/ids.ts').CredentialId }>`
    SELECT id FROM perennial.credential WHERE subscription_id = ${subscription}
    ORDER BY retired_at DESC NULLS FIRST LIMIT 1`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error(`subscription ${subscription} has no credential`);
  return row.id;
}
