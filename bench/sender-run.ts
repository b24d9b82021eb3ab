import { once } from 'node:events';
import type { CredentialId } from '../src/kernel/ids.ts';
import { runConcurrently } from '../src/xray/concurrency.ts';
import { connectNode } from '../src/xray/grpc/client.ts';
import { formatUserName } from '../src/xray/user-names.ts';
import { withClient } from './databases.ts';

// A process that only sends users of a database to each inbound of a node: `sender-run.ts URL
// ADDRESS TAG …`. Each message states the number of calls and the number in flight.

/** `[calls, in flight]` */
export type SendOrder = readonly [number, number];

export interface SenderReport {
  readonly ms: number;
  readonly cpuMs: number;
}

const [, , url, api, ...tags] = process.argv as [string, string, string, string, ...string[]];
const ids = await withClient(url, async (client) => {
  const { rows } = await client.query('SELECT id FROM perennial.credential ORDER BY id');
  return rows.map(({ id }): CredentialId => id);
});
const all = ids.flatMap((id) => tags.map((tag) => ({ id, tag })));

async function sendAdds([calls, inFlight]: SendOrder): Promise<SenderReport> {
  const node = connectNode({ api });
  await node.readInbounds({});
  const [startedMs, before] = [performance.now(), process.cpuUsage()];
  await runConcurrently(all.slice(0, calls), inFlight, async ({ id, tag }) => {
    const user = { name: formatUserName('perennial', id), id, flow: '' } as const;
    // Long enough for a busy machine.
    await node.addUser(tag, user, { deadlineMs: 60_000 });
  });
  const { user, system } = process.cpuUsage(before);
  const report = { ms: performance.now() - startedMs, cpuMs: (user + system) / 1_000 };
  node.close();
  return report;
}

process.on('message', async (message) => {
  process.send?.(await sendAdds(JSON.parse(message as string) as SendOrder));
});
process.send?.('ready');
await once(process, 'disconnect');
