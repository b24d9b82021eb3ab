import { openDatabase, openPool } from '../../../src/db/connect.ts';
import { commands } from '../../support/customer-commands.ts';
import { hookPool } from '../../support/hooked-pool.ts';
import { createCaller, runWorker } from '../../support/shop.ts';

// A process that crashes: `crash-process.ts URL WORK N WHEN` runs a worker or a command, and sends
// itself SIGKILL before or after the N-th statement. It prints `done` if it finishes.

const [url = '', work = '', n = '0', when = 'before'] = process.argv.slice(2);
const pool = hookPool(openPool(url), async (moment) => {
  if (moment.n !== Number(n) || moment.when !== when) return;
  process.kill(process.pid, 'SIGKILL');
  // The process does nothing more until the signal arrives.
  await new Promise(() => undefined);
});
const db = openDatabase(pool);
const command = commands[work];
if (command === undefined) await runWorker({ db, url }, work);
else await command(createCaller({ db }, 'key-1'), false);
await db.destroy();
process.stdout.write('done\n');
