import pg from 'pg';
import { createRandom } from '../../../src/demo/random.ts';
import { until } from '../../../testbed/until.ts';
import { createDueSubscriptions, readRenewalState } from '../../support/due-subscriptions.ts';
import { type PerennialProcess, startPerennial } from '../../support/perennial-process.ts';

// Two replicas of the service on one database. A random one repeatedly receives SIGKILL and is
// started again, until all subscriptions are renewed. Then the database is checked.

export interface KillsOptions {
  /** A migrated, empty database. */
  readonly url: string;
  readonly kills: number;
  readonly renewals: number;
  readonly seed: number;
  readonly printLine?: (line: string) => void;
}

export interface Takeover {
  /** True if the crashed replica had an active run. */
  readonly wasRunning: boolean;
  /** The time from the crash to the next batch of another process. */
  readonly ms: number;
}

export interface KillsReport {
  readonly takeovers: readonly Takeover[];
  readonly seconds: number;
  /** The number of runs by outcome. */
  readonly runs: Readonly<Record<string, number>>;
  readonly renewals: number;
  readonly wrong: readonly string[];
}

/** The renewals of each process so far, by its number, and the process with an active run. */
async function readProgress(
  client: pg.Client,
): Promise<{ done: Map<number, number>; total: number }> {
  const { rows } = await client.query(`
    SELECT split_part(replica, ':', 2)::int AS pid, sum(changed)::int AS changed
    FROM perennial.worker_run WHERE worker = 'auto-renewal' GROUP BY 1`);
  const done = new Map<number, number>(rows.map(({ pid, changed }) => [pid, changed]));
  return { done, total: [...done.values()].reduce((sum, changed) => sum + changed, 0) };
}

async function isRunning(client: pg.Client, pid: number): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM perennial.worker_run WHERE worker = 'auto-renewal' AND outcome = 'running'
       AND split_part(replica, ':', 2)::int = $1`,
    [pid],
  );
  return rowCount !== 0;
}

/** Another replica takes over within 12 s, and this machine may be busy. */
const takeoverMaxMs = 60_000;

export async function runKillsProof(request: KillsOptions): Promise<KillsReport> {
  const { url, kills, renewals, seed, printLine = () => undefined } = request;
  const draw = createRandom(seed);
  await createDueSubscriptions(url, renewals);
  // Small batches, so that each crash is in the middle of a run.
  const batch = Math.max(1, Math.floor(renewals / kills / 20));
  const start = (): PerennialProcess =>
    startPerennial(['start'], { url, autoRenewal: `batch: ${batch}`, logLevel: 'warn' });
  const replicas: PerennialProcess[] = [start(), start()];
  const watcher = new pg.Client({ connectionString: url });
  await watcher.connect();
  const startedMs = performance.now();
  const takeovers: Takeover[] = [];
  try {
    for (let kill = 0; kill < kills; kill += 1) {
      const at = Math.floor(((kill + draw()) * renewals) / (kills + 1));
      await until(
        `${at} renewals`,
        async () => (await readProgress(watcher)).total >= at,
        takeoverMaxMs,
      );
      const chosen = draw() < 0.5 ? 0 : 1;
      const victim = replicas[chosen] as PerennialProcess;
      const wasRunning = await isRunning(watcher, victim.pid);
      victim.kill('SIGKILL');
      const killedMs = performance.now();
      await victim.exit;
      const before = await readProgress(watcher);
      replicas[chosen] = start();
      const countByOthers = ({ done, total }: typeof before) => total - (done.get(victim.pid) ?? 0);
      await until(
        'a batch of another process',
        async () => {
          const now = await readProgress(watcher);
          const isOver = countByOthers(now) > countByOthers(before) || now.total === renewals;
          return isOver;
        },
        takeoverMaxMs,
      );
      const ms = Math.round(performance.now() - killedMs);
      takeovers.push({ wasRunning, ms });
      printLine(
        `crash ${kill + 1}: at ${before.total}, ${wasRunning ? 'during a run' : 'idle'}, ${ms} ms`,
      );
    }
    await until(
      'all renewed',
      async () => (await readProgress(watcher)).total >= renewals,
      takeoverMaxMs,
    );
    for (const replica of replicas) replica.kill('SIGTERM');
    for (const replica of replicas) await replica.exit;
    const seconds = Math.round((performance.now() - startedMs) / 1_000);
    const { rows } = await watcher.query(
      `SELECT outcome, count(*)::int AS n FROM perennial.worker_run WHERE worker = 'auto-renewal' GROUP BY 1 ORDER BY 1`,
    );
    const runs = Object.fromEntries(rows.map(({ outcome, n }) => [outcome, n]));
    const state = await readRenewalState(url);
    const notRenewed = state.due === 0 ? [] : [`not renewed: ${state.due}`];
    const quarantined = state.quarantined === 0 ? [] : [`in quarantine: ${state.quarantined}`];
    return {
      takeovers,
      seconds,
      runs,
      renewals: state.renewals,
      wrong: [...state.violations, ...notRenewed, ...quarantined],
    };
  } finally {
    for (const replica of replicas) await replica[Symbol.asyncDispose]();
    await watcher.end();
  }
}

/** `min 7.2, median 9.9, max 12.1` seconds. */
export function formatSpread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const seconds = (ms: number | undefined) => ((ms ?? 0) / 1_000).toFixed(1);
  return sorted.length === 0
    ? 'none'
    : `min ${seconds(sorted[0])}, median ${seconds(sorted[sorted.length >> 1])}, max ${seconds(sorted.at(-1))}`;
}
