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

// Verified differences between nodes and the database, for the audit.
//
// A mark is a pending change, and another check covers its age. While a service works, one
// comparison may be wrong about a user whom the keeper changed between the list and the database.
// So only differences that a second comparison confirms count.

/** As in a comparison that marks. */
const nodesAtOnceMax = 4;

export type VerifiedDrift =
  | { readonly node: string; readonly fault: Fault }
  | {
      readonly node: string;
      readonly users: number;
      readonly kinds: DriftCounts['kinds'];
      readonly sample: readonly Drift[];
    };

/** Compares all nodes, in the order of their ids. Nothing is marked or stored. */
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
    // A restarted node that is being seeded gets its marks later.
    const current = (await readNodes(db)).find(({ id }) => id === node.id);
    await deleteUnrepeated(connection.db, node.seeding || current?.seeding !== false);
    const { kinds } = await readDriftCounts(connection.db);
    return { node: node.id, users, kinds, sample: await readDriftSample(connection.db, sampleMax) };
  } catch (error) {
    if (!isComparisonFault(error)) throw error;
    return { node: node.id, fault: error };
  }
}
