import { setTimeout as pause } from 'node:timers/promises';
import { openSingleConnection } from '../src/db/single-connection.ts';
import { reconcileNode } from '../src/workers/reconcile-xray-state/compare-node.ts';
import { readNodes } from '../src/workers/reconcile-xray-state/node-store.ts';
import type { DriftKind } from '../src/workers/reconcile-xray-state/rule.ts';
import { connectNode } from '../src/xray/grpc/client.ts';
import { driftedNode } from './drifted-node.ts';
import { compareInSets } from './two-sets.ts';

// A process that compares the node of a database once: `reconcile-process.ts URL HOW`. HOW is
// `engine` (the comparison alone), `marking` (as the worker does it), `sets`, or `listing`, which
// reads the list of the node and discards it.

export interface ReconcileReport {
  readonly ms: number;
  readonly cpuMs: number;
  /** After loading and connecting, before any work. */
  readonly idleMb: number;
  readonly peakMb: number;
  readonly found?: Readonly<Record<DriftKind, number>>;
}

const [, , url, method] = process.argv as [string, string, string, string];
await using connection = await openSingleConnection(url);
const [node] = await readNodes(connection.db);
if (node === undefined) throw new Error('no node');
const api = connectNode({ api: node.api });
await api.readInbounds();

async function compareOnce(): Promise<Record<DriftKind, number> | undefined> {
  switch (method) {
    case 'sets':
      return compareInSets(connection.client, api);
    case 'listing':
      for await (const _ of api.listUsers(driftedNode.inbound));
      return undefined;
    default: {
      const { signal } = new AbortController();
      const options = { signal, dryRun: method === 'engine', confirmed: false, actor: 'bench' };
      const found = await reconcileNode(connection, connectNode, node as never, options);
      return { ...found.kinds };
    }
  }
}

await pause(100); // loading may still be in progress
const idleMb = process.memoryUsage().rss / 2 ** 20;
const [startedMs, before] = [performance.now(), process.cpuUsage()];
const found = await compareOnce();
const { user, system } = process.cpuUsage(before);
const report: ReconcileReport = {
  ms: performance.now() - startedMs,
  cpuMs: (user + system) / 1_000,
  idleMb,
  peakMb: process.resourceUsage().maxRSS / 1_024,
  ...(found === undefined ? {} : { found }),
};
api.close();
process.send?.(report);
process.disconnect?.();
