import { once } from 'node:events';
import { openBooks, openPool } from '../src/db/connect.ts';
import { startKeepers } from '../src/workers/keep-node/keepers.ts';
import { connectNode } from '../src/xray/grpc/client.ts';

// A process that keeps the nodes of the books of a URL, as a service does: `go`, then `stop`.

export interface KeepersReport {
  readonly cpuMs: number;
  readonly peakMb: number;
}

const say = (fields: object, message: string): void =>
  console.error(`keepers: ${message} ${JSON.stringify(fields)}`);
const silent = (): void => undefined;

const [, , url] = process.argv as [string, string, string];
const pool = openPool(url);
const db = openBooks(pool);
await pool.query('SELECT');
const told = async (): Promise<unknown> => (await once(process, 'message'))[0];

process.send?.('ready');
await told();
const before = process.cpuUsage();
const log = { debug: silent, info: silent, warn: say, error: say };
const keepers = startKeepers({ url, db, connect: connectNode, log });
process.send?.('begun');
await told();
await keepers.stop();
await db.destroy();
const { user, system } = process.cpuUsage(before);
const report: KeepersReport = {
  cpuMs: (user + system) / 1_000,
  peakMb: process.resourceUsage().maxRSS / 1_024,
};
process.send?.(report);
process.disconnect?.();
