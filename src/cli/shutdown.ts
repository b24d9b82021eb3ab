import { Fault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { startTimer } from '../kernel/timer.ts';

/**
 * Ctrl-C on a terminal reaches the program more than once: from the terminal, and from npx or npm,
 * which forward it. A signal within this time after the first one is a copy of it.
 */
const repeatMs = secondMs;

/** 128 plus the number of the signal, like the exit code of a shell. */
export const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
export type ShutdownSignal = keyof typeof exitCodes;

/** A signal ended the command. The sentence states the changes; the signal sets the exit code. */
export class InterruptedFault extends Fault {
  readonly exitCode: 130 | 143;

  constructor(by: AbortSignal, changed: string, cause?: unknown) {
    super('transient', 'interrupted', `interrupted; ${changed}`, cause);
    this.name = 'Interrupted';
    this.exitCode = exitCodes[by.reason as ShutdownSignal] ?? 130;
  }
}

/** Ends the work: the first SIGINT or SIGTERM requests the end, a second one forces it. */
export interface ShutdownWatch {
  readonly signal: AbortSignal;
  /** Removes the listeners after the work. */
  stop(): void;
}

/**
 * Handles SIGTERM and SIGINT. The first one aborts `signal` with its name as the reason. A service
 * passes `graceMs`: the process exits with code 0 after this time, also if work is left.
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
        'perennial: exited at once; the database rolls uncommitted changes back\n',
      );
      process.exit(exitCodes[name]);
    }
  };
  // The listeners of bin/early-signals.js serve the time before this call.
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
 * Runs a command that a signal may end. A command that completes has printed its result. A command
 * that fails has changed nothing, unless it throws its own `InterruptedFault`.
 * @throws InterruptedFault if a signal arrived
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
