import { openSingleConnection } from '../../db/single-connection.ts';
import { unreachable } from '../../kernel/faults.ts';
import type { PreviewContext } from '../../runs/preview.ts';
import type { NodePreview } from '../../runs/worker.ts';
import {
  type ComparisonOutcome,
  type ConnectNode,
  isComparisonFault,
  listAndCompare,
  type OnUsers,
  reconcileNode,
} from './compare-node.ts';
import { readNodes } from './node-store.ts';
import { type Drift, readDriftPage } from './store.ts';

export interface NodePreviewContext extends PreviewContext {
  readonly url: string;
}

/** Compares every node with the database, due or not. Nothing is marked or stored. */
export async function previewNodes(
  { db, url, batchMax, signal }: NodePreviewContext,
  connect: ConnectNode,
  report: (preview: NodePreview) => void,
): Promise<void> {
  for (const node of await readNodes(db)) {
    if (signal.aborted) return;
    await using connection = await openSingleConnection(url);
    try {
      await listAndCompare(connection, connect, node, { signal });
    } catch (error) {
      if (!isComparisonFault(error)) throw error;
      report({ nodeId: node.id, outcome: 'failed', sentence: `would fail: ${error.message}` });
      continue;
    }
    let after = 0n;
    for (;;) {
      const page = await readDriftPage(connection.db, after, batchMax);
      const last = page.at(-1);
      if (last === undefined) break;
      for (const drift of page) {
        const sentence = `${describeDrift(drift)}${describePlan(drift)}`;
        report({ nodeId: node.id, outcome: drift.kind, sentence });
      }
      after = last.n;
    }
  }
}

export interface ComparisonContext extends Pick<NodePreviewContext, 'db' | 'url' | 'signal'> {
  readonly onUsers?: OnUsers;
}

/** Compares these nodes with the database, with a sample. Nothing is marked or stored. */
export async function compareNodes(
  { db, url, signal, onUsers }: ComparisonContext,
  connect: ConnectNode,
  nodeFilter: string,
): Promise<ComparisonOutcome[]> {
  const outcomes: ComparisonOutcome[] = [];
  for (const node of await readNodes(db)) {
    if (signal.aborted || (nodeFilter !== 'all' && nodeFilter !== node.id)) continue;
    await using connection = await openSingleConnection(url);
    try {
      const options = { signal, dryRun: true, confirmed: false, actor: '', onUsers };
      const comparison = await reconcileNode(connection, connect, node, options);
      outcomes.push({ node: node.id, is: 'compared', comparison });
    } catch (error) {
      if (!isComparisonFault(error)) throw error;
      outcomes.push({ node: node.id, is: 'failed', fault: error });
    }
  }
  return outcomes;
}

/** The effect that a run would have on this difference. */
function describePlan({ kind, marked }: Drift): string {
  if (marked) return '';
  const isMarked = kind !== 'unknown' && kind !== 'conflict';
  return isMarked ? '; would be marked' : '; would be reported, not changed';
}

/** Names the user and the difference. A UUID that opens nodes is never printed. */
export function describeDrift(drift: Drift): string {
  const owner = `customer ${drift.telegramId}, subscription ${drift.subscriptionId}`;
  const marked = drift.marked ? ' (already marked)' : '';
  const confirmed = drift.marked ? ' (removal pending)' : '';
  switch (drift.kind) {
    case 'missing':
      return `${owner}: may connect, but is not on each inbound${marked}`;
    case 'unwanted':
      return `${owner}: may not connect here, but is there${marked}`;
    case 'different':
      return `${owner}: is on the node with another UUID or flow${marked}`;
    case 'unknown':
      return `${drift.name}: has our name, but is not in the database${confirmed}`;
    case 'conflict':
      return `"${drift.name}" has the UUID of ${owner}${confirmed}`;
    default:
      return unreachable(drift.kind);
  }
}
