import { openDatabase, openPool } from '../../../../src/db/connect.ts';
import { startKeepers } from '../../../../src/workers/keep-node/keepers.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';

// A process that keeps the nodes of the books: `keepers-entry.ts URL`. It writes its pid and what
// its keepers log, and loses its nodes when it is silent for 3 s.

const [url = ''] = process.argv.slice(2);
const writeLine = (_: object, message: string): void => void process.stdout.write(`${message}\n`);
process.stdout.write(`pid ${process.pid}\n`);
startKeepers({
  url,
  db: openDatabase(openPool(url)),
  connect: connectNode,
  log: { debug: writeLine, info: writeLine, warn: writeLine, error: writeLine },
  probeMs: 200,
  pollMs: 200,
  silentMs: 3_000,
});
