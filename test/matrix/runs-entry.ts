import { once } from 'node:events';
import { openBooks, openPool } from '../../src/db/connect.ts';
import { runOf } from '../a-book.ts';
import { textOf } from '../model/books-of.ts';

// A process that runs a worker several times at once: `runs-entry.ts URL RUNS BATCH [WORKER]`. It says
// `ready`, waits for a line, runs, and prints what each run counted.

const [url = '', runs = '1', batchMax = '1000', worker = 'auto-renewal'] = process.argv.slice(2);
const db = openBooks(openPool(url));
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const rows = await Promise.all(
  Array.from({ length: Number(runs) }, () =>
    runOf({ db, url }, worker, { batchMax: Number(batchMax) }),
  ),
);
const told = rows.map(({ outcome, changed, failed, detail }) => ({
  outcome,
  changed: Number(changed),
  failed: Number(failed),
  detail,
}));
process.stdout.write(`${textOf(told)}\n`);
process.stdin.destroy();
await db.destroy();
