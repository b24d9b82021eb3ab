import { type ChildProcess, fork } from 'node:child_process';
import { receiveMessage } from './child.ts';
import type { EngineReport } from './engine-run.ts';

const receiveReport = (child: ChildProcess): Promise<unknown> => receiveMessage(child, 'engine');

/** The options with which docs/operating.md starts a replica. */
const documentedOption = '--max-semi-space-size=8';

export interface Work {
  /** The name of the worker, as `auto-renewal`. */
  readonly worker: string;
  readonly confirmed?: boolean;
}

/**
 * Runs a worker in this many processes at once, until nothing is due. The time starts when all
 * processes are loaded and connected, and ends with the last one.
 * @param confirmed true: proceed with changes that a guard holds
 * @returns milliseconds
 */
export async function runEngine(
  url: string,
  processes: number,
  { worker, confirmed = false }: Work,
): Promise<{ readonly ms: number; readonly reports: readonly EngineReport[] }> {
  const file = new URL('./engine-run.ts', import.meta.url).pathname;
  const children = Array.from({ length: processes }, () =>
    fork(file, [url, worker, confirmed ? 'confirmed' : ''], {
      execArgv: [documentedOption, ...(process.env.BENCH_CPU_PROF ? ['--cpu-prof'] : [])],
    }),
  );
  await Promise.all(children.map(receiveReport));
  const startedMs = performance.now();
  const results = children.map(async (child) => {
    const message = receiveReport(child);
    child.send('go');
    return { report: (await message) as EngineReport, ms: performance.now() - startedMs };
  });
  const finished = await Promise.all(results);
  return {
    ms: Math.max(...finished.map(({ ms }) => ms)),
    reports: finished.map(({ report }) => report),
  };
}
