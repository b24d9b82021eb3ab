import { type ChildProcess, fork } from 'node:child_process';
import { messageOf } from './child.ts';
import type { EngineReport } from './engine-run.ts';

const told = (child: ChildProcess): Promise<unknown> => messageOf(child, 'engine');

/** How docs/operating.md starts a replica. */
const asDocumented = '--max-semi-space-size=8';

export interface Work {
  /** Its name, as `auto-renewal`. */
  readonly worker: string;
  readonly confirmed?: boolean;
}

/**
 * Runs a worker in this many processes at once, until nothing is due, with everything loaded and
 * connected before the time is taken. Milliseconds from "go" to the last one's end.
 * @param confirmed what a guard would hold is meant
 */
export async function runEngine(
  url: string,
  processes: number,
  { worker, confirmed = false }: Work,
): Promise<{ readonly ms: number; readonly reports: readonly EngineReport[] }> {
  const file = new URL('./engine-run.ts', import.meta.url).pathname;
  const children = Array.from({ length: processes }, () =>
    fork(file, [url, worker, confirmed ? 'confirmed' : ''], {
      execArgv: [asDocumented, ...(process.env.BENCH_CPU_PROF ? ['--cpu-prof'] : [])],
    }),
  );
  await Promise.all(children.map(told));
  const startedMs = performance.now();
  const done = children.map(async (child) => {
    const message = told(child);
    child.send('go');
    return { report: (await message) as EngineReport, ms: performance.now() - startedMs };
  });
  const ended = await Promise.all(done);
  return {
    ms: Math.max(...ended.map(({ ms }) => ms)),
    reports: ended.map(({ report }) => report),
  };
}
