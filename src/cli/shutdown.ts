import { Fault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { startTimer } from '../kernel/timer.ts';

/**
 * Ctrl-C on a terminal reaches the program more than once: from the terminal itself and from npx
 * or npm, which pass it on. A signal within this time of the first one is a copy of it.
 */
const repeatMs = secondMs;

/** 128 + the number of the signal, as a shell reports it. */
export const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
export type ShutdownSignal = keyof typeof exitCodes;

/** A command that a signal ended: one sentence that states what was changed, and its exit code. */
export class InterruptedFault extends Fault {
  readonly exitCode: 130 | 143;

  constructor(by: AbortSignal, changed: string, cause?: unknown) {
    super('transient', 'interrupted', `interrupted; ${changed}`, cause);
    this.name = 'Interrupted';
    this.exitCode = exitCodes[by.reason as ShutdownSignal] ?? 130;
  }
}

/** Ends what goes on: SIGINT or SIGTERM once asks for it, a second time forces it. */
export interface ShutdownWatch {
  readonly signal: AbortSignal;
  /** Stops listening, when the work is done. */
  stop(): void;
}

/**
 * Heeds SIGTERM and SIGINT. The first one aborts `signal`, with its name as the reason. A service
 * gives `graceMs`: work that has not ended by then is cut off with exit code 0.
 */
export function watchSignals(options: { readonly graceMs?: number } = {}): ShutdownWatch {
  const controller = new AbortController();
  let sinceMs: (() => number) | undefined;
  const onSignal = (name: ShutdownSignal): void => {
    if (sinceMs === undefined) {
      sinceMs = stopwatch();
      if (options.graceMs !== undefined) startTimer(() => process.exit(0), options.graceMs).unref();
      controller.abort(name);
    } else if (sinceMs() > repeatMs) {
      process.stderr.write(
        'perennial: ended at once; the database undoes what was not committed\n',
      );
      process.exit(exitCodes[name]);
    }
  };
  // The listeners of bin/early-signals.js are for the time before this one.
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    for (const listener of process.listeners(name)) {
      if (listener.name === 'endEarly') process.off(name, listener);
    }
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    stop: () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal),
  };
}

/**
 * Runs a command that a signal may end. A command that has ended all the same has printed its
 * result, and one that failed has changed nothing, unless it throws its own `Interrupted`.
 * @throws Interrupted if a signal came
 */
export async function runUntilSignal<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const shutdown = watchSignals();
  const { signal } = shutdown;
  let result: T;
  try {
    result = await work(signal);
  } catch (error) {
    if (!signal.aborted || error instanceof InterruptedFault) throw error;
    throw new InterruptedFault(signal, 'nothing was changed', error);
  } finally {
    shutdown.stop();
  }
  if (signal.aborted)
    throw new InterruptedFault(signal, 'the result above states what was changed');
  return result;
}
