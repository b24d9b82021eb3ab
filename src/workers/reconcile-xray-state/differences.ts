import { connectAlone } from '../../db/alone.ts';
import type { Fault } from '../../kernel/faults.ts';
import { eachInFlight } from '../../xray/in-flight.ts';
import { type ListedNode, readNodes } from './node-store.ts';
import { type ConnectNode, isOfNode, listAndCompare } from './one-node.ts';
import type { Comparing } from './preview.ts';
import { type Counted, count, type Drift, keepDrift, keepRepeated, sample } from './store.ts';

// Where nodes differ from the books for certain, for the audit. What is marked is on its way, and
// how old its mark is, is another question. While a service works a single comparison may be wrong
// about one whom the keeper added or removed, and confirmed, between the list and the books: so what
// one finds counts if a second one finds it again.

/** Nodes at once, as in a comparison that marks. */
const atOnce = 4;

export type NodeDifferences =
  | { readonly node: string; readonly fault: Fault }
  | {
      readonly node: string;
      readonly users: number;
      readonly kinds: Counted['kinds'];
      readonly sample: readonly Drift[];
    };

/** Each node, in the order of their ids; nothing is marked or written down. */
export async function differencesOfNodes(
  comparing: Comparing,
  connect: ConnectNode,
  sampleMax: number,
): Promise<NodeDifferences[]> {
  const found: NodeDifferences[] = [];
  await eachInFlight(await readNodes(comparing.db), atOnce, async (node) => {
    if (comparing.signal.aborted) return;
    found.push(await differencesOf(comparing, connect, node, sampleMax));
  });
  return found.sort((a, b) => (a.node < b.node ? -1 : 1));
}

async function differencesOf(
  { db, url, signal, onUsers }: Comparing,
  connect: ConnectNode,
  node: ListedNode,
  sampleMax: number,
): Promise<NodeDifferences> {
  await using connection = await connectAlone(url);
  const compareOnce = () => listAndCompare(connection, connect, node, { signal, onUsers });
  try {
    let users = await compareOnce();
    if ((await keepDrift(connection.db)) > 0) users = await compareOnce();
    // One that was started and is being filled again has its marks still to come.
    const now = (await readNodes(db)).find(({ id }) => id === node.id);
    await keepRepeated(connection.db, node.seeding || now?.seeding !== false);
    const { kinds } = await count(connection.db);
    return { node: node.id, users, kinds, sample: await sample(connection.db, sampleMax) };
  } catch (error) {
    if (!isOfNode(error)) throw error;
    return { node: node.id, fault: error };
  }
}
