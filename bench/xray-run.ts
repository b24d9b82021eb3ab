import { once } from 'node:events';
import { connectNode } from '../src/xray/grpc/client.ts';
import {
  createContractInbounds,
  createServerConfig,
  createXrayProcess,
  findXray,
  freePort,
  type XrayProcess,
} from '../testbed/real-xray.ts';

// `nodes-run.ts` with real nodes: `xray-run.ts COUNT TAG …`. Each has the inbounds of the contract.

const [, , count, ...tags] = process.argv as [string, string, string, ...string[]];
const found = findXray();
if ('missing' in found) throw new Error(found.missing);
const nodes: { readonly api: string; readonly server: XrayProcess }[] = [];
for (let at = 0; at < Number(count); at += 1) {
  const api = `127.0.0.1:${await freePort()}`;
  const server = createXrayProcess(
    found.path,
    createServerConfig(api, await createContractInbounds()),
  );
  await server.start();
  nodes.push({ api, server });
}
process.on('message', async (message) => {
  const [command, at] = (message as string).split(' ');
  const node = nodes[Number(at)];
  if (node === undefined) throw new Error(`no node ${at}`);
  if (command === 'restart') {
    await node.server.kill();
    await node.server.start();
  }
  const client = connectNode({ api: node.api });
  process.send?.(await Promise.all(tags.map((tag) => client.countUsers(tag))));
  client.close();
});
process.send?.(nodes.map(({ api }) => api));
await once(process, 'disconnect');
for (const { server } of nodes) await server.remove();
