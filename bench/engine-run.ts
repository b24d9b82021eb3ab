import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openDatabase, openPool } from '../src/db/connect.ts';
import { openReplica } from '../src/leases/replica.ts';
import { workers } from '../src/workers/index.ts';

// A process that runs one worker until nothing is due, as a replica does. `engine.ts` starts it,
// sends the start signal and measures it.

export interface EngineReport {
  readonly changed: number;
  readonly runs: number;
  readonly peakMb: number;
  /** The processor time of this process, without the server. */
  readonly cpuMs: number;
  readonly eventLoopBlockMs: number;
}

/**
 * Milliseconds between samples. The excess of a sample is the time for which the event loop was
 * blocked.
 */
const sampleMs = 1;

async function run(url: string, name: string, confirmed: boolean): Promise<EngineReport> {
  const pool = openPool(url, { connectionsMax: 2 });
  const db = openDatabase(pool);
  const replica = openReplica(url);
  const worker = workers.find((one) => one.name === name);
  if (worker === undefined) throw new Error(`no ${name}`);
  await replica.lockNumber();
  await pool.query('SELECT');

  process.send?.('ready');
  await new Promise((resolve) => process.once('message', resolve));
  const delay = monitorEventLoopDelay({ resolution: sampleMs });
  delay.enable();
  const before = process.cpuUsage();
  let [changed, runs] = [0, 0];
  // A run skips locked customers. The next run processes them.
  for (;;) {
    const row = await worker.run({
      db,
      replica,
      batchMax: 1_000,
      budgetMs: Number.POSITIVE_INFINITY,
      confirmed,
      signal: new AbortController().signal,
      elapsedMs: () => 0,
      log: { warn: console.error, error: console.error },
    });
    runs += 1;
    changed += Number(row.changed);
    if (row.outcome !== 'success') throw new Error(`${row.outcome}: ${JSON.stringify(row.detail)}`);
    if (row.examined === 0n) break;
  }
  delay.disable();
  const { user, system } = process.cpuUsage(before);
  const report = {
    changed,
    runs,
    cpuMs: (user + system) / 1_000,
    peakMb: process.resourceUsage().maxRSS / 1024,
    eventLoopBlockMs: delay.max / 1e6 - sampleMs,
  };
  await replica.close();
  await db.destroy();
  return report;
}

const [, , url, name, confirmed] = process.argv as [string, string, string, string, string];
const report = await run(url, name, confirmed === 'confirmed');
process.send?.(report);
process.disconnect?.();
