import { connectAlone } from '../../db/alone.ts';
import { unreachable } from '../../kernel/faults.ts';
import type { PreviewContext } from '../preview.ts';
import type { NodePreview } from '../worker.ts';
import { readNodes } from './node-store.ts';
import {
  type ConnectNode,
  isOfNode,
  listAndCompare,
  type NodeEnd,
  type OnUsers,
  reconcileNode,
} from './one-node.ts';
import { type Drift, pageOf } from './store.ts';

export interface NodePreviewContext extends PreviewContext {
  readonly url: string;
}

/** Where every node differs from the books now, due or not; nothing is marked or written down. */
export async function previewNodes(
  { db, url, batchMax, signal }: NodePreviewContext,
  connect: ConnectNode,
  report: (preview: NodePreview) => void,
): Promise<void> {
  for (const node of await readNodes(db)) {
    if (signal.aborted) return;
    await using connection = await connectAlone(url);
    try {
      await listAndCompare(connection, connect, node, { signal });
    } catch (error) {
      if (!isOfNode(error)) throw error;
      report({ nodeId: node.id, outcome: 'failed', sentence: error.message });
      continue;
    }
    let after = 0n;
    for (;;) {
      const page = await pageOf(connection.db, after, batchMax);
      const last = page.at(-1);
      if (last === undefined) break;
      for (const drift of page) {
        report({ nodeId: node.id, outcome: drift.kind, sentence: inWords(drift) });
      }
      after = last.n;
    }
  }
}

export interface Comparing extends Pick<NodePreviewContext, 'db' | 'url' | 'signal'> {
  readonly onUsers?: OnUsers;
}

/** How these nodes differ from the books now, with a sample; nothing is marked or written down. */
export async function compareNodes(
  { db, url, signal, onUsers }: Comparing,
  connect: ConnectNode,
  asked: string,
): Promise<NodeEnd[]> {
  const ends: NodeEnd[] = [];
  for (const node of await readNodes(db)) {
    if (signal.aborted || (asked !== 'all' && asked !== node.id)) continue;
    await using connection = await connectAlone(url);
    try {
      const orders = { signal, dryRun: true, confirmed: false, actor: '', onUsers };
      const found = await reconcileNode(connection, connect, node, orders);
      ends.push({ node: node.id, end: 'compared', found });
    } catch (error) {
      if (!isOfNode(error)) throw error;
      ends.push({ node: node.id, end: 'failed', fault: error });
    }
  }
  return ends;
}

/** Who it is about, and what differs. A UUID that opens nodes is not said. */
export function inWords(drift: Drift): string {
  const who = `customer ${drift.telegramId}, subscription ${drift.subscriptionId}`;
  const marked = drift.marked ? ' (is marked already)' : '';
  const confirmed = drift.marked ? ' (is on its way out)' : '';
  switch (drift.kind) {
    case 'missing':
      return `${who}: may connect, and isn't on each inbound${marked}`;
    case 'unwanted':
      return `${who}: may not connect here any more, and is there${marked}`;
    case 'different':
      return `${who}: is there with another UUID or flow${marked}`;
    case 'unknown':
      return `${drift.name}: has our name, and the books don't know it${confirmed}`;
    case 'conflict':
      return `"${drift.name}" has the UUID of ${who}${confirmed}`;
    default:
      return unreachable(drift.kind);
  }
}
