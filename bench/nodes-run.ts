import { once } from 'node:events';
import { startEmbeddedNode } from '../src/xray/embedded/node.ts';

// A process with embedded nodes, so that what they cost isn't taken for the keepers' cost:
// `nodes-run.ts COUNT TAG …`. Tells their addresses; `restart`: all begin a new life without users;
// `users`: how many each inbound of the first has.

const [, , count, ...tags] = process.argv as [string, string, string, ...string[]];
const inbounds = tags.map((tag) => ({ tag, protocol: 'vless' as const }));
const nodes = await Promise.all(
  Array.from({ length: Number(count) }, () => startEmbeddedNode({ inbounds })),
);
process.on('message', async (message) => {
  if (message === 'restart') {
    for (const node of nodes) await node.restart();
    process.send?.('restarted');
  } else if (message === 'users') {
    process.send?.(tags.map((tag) => nodes[0]?.names(tag).length ?? 0));
  }
});
process.send?.(nodes.map(({ api }) => api));
await once(process, 'disconnect');
for (const node of nodes) node.stop();
