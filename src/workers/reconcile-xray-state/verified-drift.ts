import { openSingleConnection } from '../../db/single-connection.ts';
import type { Fault } from '../../kernel/faults.ts';
import { runConcurrently } from '../../xray/concurrency.ts';
import { type ConnectNode, isComparisonFault, listAndCompare } from './compare-node.ts';
import { type ListedNode, readNodes } from './node-store.ts';
import type { ComparisonContext } from './preview.ts';
import {
  type Drift,
  type DriftCounts,
  deleteUnrepeated,
  readDriftCounts,
  readDriftSample,
  saveDrift,
} from './store.ts';

// Where nodes differ from the books for certain, for the audit. What is marked is on its way, and
// how old its mark is, is another question. While a service works a single comparison may be wrong
// about one whom the keeper added or removed, and confirmed, between the list and the books: so what
// one finds counts if a second one finds it again.

/** Nodes at once, as in a comparison that marks. */
const nodesAtOnceMax = 4;

export type VerifiedDrift =
  | { readonly node: string; readonly fault: Fault }
  | {
      readonly node: string;
      readonly users: number;
      readonly kinds: DriftCounts['kinds'];
      readonly sample: readonly Drift[];
    };

/** Each node, in the order of their ids; nothing is marked or written down. */
export async function readVerifiedDrift(
  context: ComparisonContext,
  connect: ConnectNode,
  sampleMax: number,
): Promise<VerifiedDrift[]> {
  const results: VerifiedDrift[] = [];
  await runConcurrently(await readNodes(context.db), nodesAtOnceMax, async (node) => {
    if (context.signal.aborted) return;
    results.push(await readNodeDrift(context, connect, node, sampleMax));
  });
  return results.sort((a, b) => (a.node < b.node ? -1 : 1));
}

async function readNodeDrift(
  { db, url, signal, onUsers }: ComparisonContext,
  connect: ConnectNode,
  node: ListedNode,
  sampleMax: number,
): Promise<VerifiedDrift> {
  await using connection = await openSingleConnection(url);
  const compareOnce = () => listAndCompare(connection, connect, node, { signal, onUsers });
  try {
    let users = await compareOnce();
    if ((await saveDrift(connection.db)) > 0) users = await compareOnce();
    // One that was started and is being filled again has its marks still to come.
    const current = (await readNodes(db)).find(({ id }) => id === node.id);
    await deleteUnrepeated(connection.db, node.seeding || current?.seeding !== false);
    const { kinds } = await readDriftCounts(connection.db);
    return { node: node.id, users, kinds, sample: await readDriftSample(connection.db, sampleMax) };
  } catch (error) {
    if (!isComparisonFault(error)) throw error;
    return { node: node.id, fault: error };
  }
}
