import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { sql } from 'kysely';
import { openDatabase, openPool } from '../../../../src/db/connect.ts';
import { openReplica } from '../../../../src/leases/replica.ts';
import { runWorker } from '../../../support/shop.ts';

// A process that runs expiry many times and prints the growth of its heap: `heap-process.ts URL
// RUNS`. Each tenth run expires all customers of the database. The others find nothing.

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const [url = '', runs = '1000'] = process.argv.slice(2);
const db = openDatabase(openPool(url));
const replica = openReplica(url);

let ended = 0;

async function runMany(count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    if (at % 10 === 0) {
      // Active again, as if they had been sold again and had ended again.
      await sql`UPDATE perennial.subscription SET state = 'active', next_try_at = NULL`.execute(db);
    }
    const options = { replica, confirmed: true };
    const { changed } = await runWorker({ db, url }, 'fast-expiry-cleanup', options);
    ended += Number(changed);
  }
}

function readHeapBytes(): number {
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}

// After these runs, everything that is created once exists: plans of statements, compiled code.
await runMany(100);
const before = readHeapBytes();
ended = 0;
await runMany(Number(runs));
const result = { runs: Number(runs), ended, grewBytes: readHeapBytes() - before };
process.stdout.write(`${JSON.stringify(result)}\n`);
await replica.close();
await db.destroy();
