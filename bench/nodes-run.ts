import { once } from 'node:events';
import { startEmbeddedNode } from '../src/xray/embedded/node.ts';

// A process with embedded nodes, so that their cost does not count for the keepers: `nodes-run.ts
// COUNT TAG …`. It sends their addresses. `restart I` starts a new boot of node I, without users.
// `users I` sends the number of users of each of its inbounds.

const [, , count, ...tags] = process.argv as [string, string, string, ...string[]];
const inbounds = tags.map((tag) => ({ tag, protocol: 'vless' as const }));
const nodes = await Promise.all(
  Array.from({ length: Number(count) }, () => startEmbeddedNode({ inbounds })),
);
process.on('message', async (message) => {
  const [command, at] = (message as string).split(' ');
  const node = nodes[Number(at)];
  if (node === undefined) throw new Error(`no node ${at}`);
  if (command === 'restart') await node.restart();
  process.send?.(tags.map((tag) => node.listUserNames(tag).length));
});
process.send?.(nodes.map(({ api }) => api));
await once(process, 'disconnect');
for (const node of nodes) node.stop();
