import { openDatabase, openPool } from '../src/db/connect.ts';
import { startKeepers } from '../src/workers/keep-node/keepers.ts';
import { connectNode } from '../src/xray/grpc/client.ts';

// A process that keeps the nodes of a database, as the service does, until it receives `stop`. For
// `usage` it sends its processor time so far. It sends both results.

export interface KeepersReport {
  readonly cpuMs: number;
  readonly peakMb: number;
}

const logToStderr = (fields: object, message: string): void =>
  console.error(`keepers: ${message} ${JSON.stringify(fields)}`);
const silent = (): void => undefined;

const [, , url] = process.argv as [string, string, string];
const pool = openPool(url);
const db = openDatabase(pool);
await pool.query('SELECT');
const readUsage = (): KeepersReport => {
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1_000, peakMb: process.resourceUsage().maxRSS / 1_024 };
};
const log = { debug: silent, info: silent, warn: logToStderr, error: logToStderr };
const keepers = startKeepers({ url, db, connect: connectNode, log });
const stopping = Promise.withResolvers<void>();
process.on('message', (message) => {
  if (message === 'usage') process.send?.(readUsage());
  else stopping.resolve();
});
process.on('disconnect', stopping.resolve);
process.send?.('ready');
await stopping.promise;
await keepers.stop();
await db.destroy();
if (process.connected) {
  process.send?.(readUsage());
  process.disconnect?.();
}
