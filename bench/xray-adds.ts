import { monitorEventLoopDelay } from 'node:perf_hooks';
import { newCredentialId } from '../src/kernel/ids.ts';
import { startEmbeddedNode } from '../src/xray/embedded/node.ts';
import { connectNode } from '../src/xray/grpc/client.ts';
import { eachInFlight } from '../src/xray/in-flight.ts';
import { userName } from '../src/xray/names.ts';
import type { NodeApi } from '../src/xray/port.ts';
import {
  contractInbounds,
  findXray,
  freePort,
  serverConfig,
  versionOf,
  xrayProcess,
} from '../test/xray/real-xray.ts';
import type { Benchmark, Options, Row } from './table.ts';

// How fast a node takes users, one call at a time and several, and what reading them back costs:
// the time, and the longest that the event loop was held up. The embedded node answers from the
// process that asks; a real one has its own.

const tag = 'vless-a';
const atOnce = [1, 16, 64] as const;

async function fill(node: NodeApi, users: number, inFlight: number): Promise<number> {
  const ids = Array.from({ length: users }, newCredentialId);
  const begunMs = performance.now();
  await eachInFlight(ids, inFlight, async (id) => {
    const user = { name: userName('bench', id), id, flow: 'xtls-rprx-vision' } as const;
    // Long enough for a machine that has other things to do.
    await node.addUser(tag, user, { deadlineMs: 60_000 });
  });
  return (users * 1_000) / (performance.now() - begunMs);
}

async function rowsOf(kind: string, node: NodeApi, { due, say }: Options): Promise<Row[]> {
  const rows: Row[] = [];
  for (const inFlight of atOnce) {
    // One at a time is slow, and its rate shows with fewer.
    const users = inFlight === 1 ? Math.ceil(due / 20) : Math.ceil(due / 2);
    say(`${kind}: ${users} adds, ${inFlight} in flight`);
    const rate = await fill(node, users, inFlight);
    const serial = Number(rows[0]?.rate ?? rate);
    rows.push({ variant: `${kind}, ${inFlight} in flight`, rate, to_serial: rate / serial });
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const begunMs = performance.now();
  let users = 0;
  for await (const slice of node.listUsers(tag)) users += slice.length;
  const ms = performance.now() - begunMs;
  delay.disable();
  rows.push({
    variant: `${kind}, ${users} listed`,
    rate: (users * 1_000) / ms,
    ms,
    longest_block_ms: delay.max / 1e6,
  });
  return rows;
}

async function real(options: Options): Promise<Row[]> {
  const found = findXray();
  if ('missing' in found) {
    options.say(found.missing);
    return [];
  }
  const api = `127.0.0.1:${await freePort()}`;
  const process = xrayProcess(found.path, serverConfig(api, await contractInbounds()));
  const node = connectNode({ api });
  try {
    await process.start();
    return await rowsOf(`Xray ${versionOf(found.path)}`, node, options);
  } finally {
    node.close();
    await process.remove();
  }
}

async function embedded(options: Options): Promise<Row[]> {
  const stand = await startEmbeddedNode({ inbounds: [{ tag, protocol: 'vless' }] });
  const node = connectNode(stand);
  const rows = await rowsOf('embedded', node, options);
  node.close();
  stand.stop();
  return rows;
}

export const benchmark: Benchmark = {
  says: 'users added to a node and listed, --due of them; a real one if there is one',
  run: async (options) => [...(await embedded(options)), ...(await real(options))],
};
