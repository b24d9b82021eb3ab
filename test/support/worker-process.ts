import { once } from 'node:events';
import { openDatabase, openPool } from '../../src/db/connect.ts';
import { toText } from './customer-model.ts';
import { runWorker } from './shop.ts';

// A process that starts several runs of a worker at once: `worker-process.ts URL RUNS BATCH
// [WORKER]`. It prints `ready`, waits for a line, runs, and prints the result of each run.

const [url = '', runs = '1', batchMax = '1000', worker = 'auto-renewal'] = process.argv.slice(2);
const db = openDatabase(openPool(url));
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const rows = await Promise.all(
  Array.from({ length: Number(runs) }, () =>
    runWorker({ db, url }, worker, { batchMax: Number(batchMax) }),
  ),
);
const results = rows.map(({ outcome, changed, failed, detail }) => ({
  outcome,
  changed: Number(changed),
  failed: Number(failed),
  detail,
}));
process.stdout.write(`${toText(results)}\n`);
process.stdin.destroy();
await db.destroy();
