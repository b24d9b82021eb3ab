import { monitorEventLoopDelay } from 'node:perf_hooks';
import { generateCredentialId } from '../src/kernel/ids.ts';
import { runConcurrently } from '../src/xray/concurrency.ts';
import { startEmbeddedNode } from '../src/xray/embedded/node.ts';
import { connectNode } from '../src/xray/grpc/client.ts';
import type { NodeApi } from '../src/xray/port.ts';
import { formatUserName } from '../src/xray/user-names.ts';
import {
  createContractInbounds,
  createServerConfig,
  createXrayProcess,
  findXray,
  freePort,
  readVersion,
} from '../testbed/real-xray.ts';
import type { Benchmark, Options, Row } from './table.ts';

// The rate at which a node adds users, one call at a time and several. Listing them is measured
// too: the time, and the longest block of the event loop. The embedded node runs in the same
// process, and a real one in its own.

const tag = 'vless-a';
const atOnce = [1, 16, 64] as const;

async function fill(node: NodeApi, users: number, inFlight: number): Promise<number> {
  const ids = Array.from({ length: users }, generateCredentialId);
  const startedMs = performance.now();
  await runConcurrently(ids, inFlight, async (id) => {
    const user = { name: formatUserName('bench', id), id, flow: 'xtls-rprx-vision' } as const;
    // Long enough for a busy machine.
    await node.addUser(tag, user, { deadlineMs: 60_000 });
  });
  return (users * 1_000) / (performance.now() - startedMs);
}

async function measureNode(kind: string, node: NodeApi, { due, log }: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const inFlight of atOnce) {
    // One at a time is slow, and fewer users suffice to show its rate.
    const users = inFlight === 1 ? Math.ceil(due / 20) : Math.ceil(due / 2);
    log(`${kind}: ${users} adds, ${inFlight} in flight`);
    const rate = await fill(node, users, inFlight);
    const serial = Number(rows[0]?.rate ?? rate);
    rows.push({ variant: `${kind}, ${inFlight} in flight`, rate, to_serial: rate / serial });
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedMs = performance.now();
  let users = 0;
  for await (const slice of node.listUsers(tag)) users += slice.length;
  const ms = performance.now() - startedMs;
  delay.disable();
  rows.push({
    variant: `${kind}, ${users} listed`,
    rate: (users * 1_000) / ms,
    ms,
    longest_block_ms: delay.max / 1e6,
  });
  return rows;
}

async function measureReal(options: Options): Promise<Row[]> {
  const found = findXray();
  if ('missing' in found) {
    options.log(found.missing);
    return [];
  }
  const api = `127.0.0.1:${await freePort()}`;
  const process = createXrayProcess(
    found.path,
    createServerConfig(api, await createContractInbounds()),
  );
  const node = connectNode({ api });
  try {
    await process.start();
    return await measureNode(`Xray ${readVersion(found.path)}`, node, options);
  } finally {
    node.close();
    await process.remove();
  }
}

async function measureEmbedded(options: Options): Promise<Row[]> {
  const embeddedNode = await startEmbeddedNode({ inbounds: [{ tag, protocol: 'vless' }] });
  const node = connectNode(embeddedNode);
  const rows = await measureNode('embedded', node, options);
  node.close();
  embeddedNode.stop();
  return rows;
}

export const benchmark: Benchmark = {
  description: 'users added to a node and listed, --due of them; a real one if there is one',
  run: async (options) => [...(await measureEmbedded(options)), ...(await measureReal(options))],
};
