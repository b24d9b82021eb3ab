import { skewMaxMs } from '../../db/clock.ts';
import type { ClockMemory } from '../../db/clock-mark.ts';
import type { Db } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { thisMachine } from '../../db/machine.ts';
import { type ClockReading, readClockReading } from '../../db/trusted-time.ts';
import { minuteMs, secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { WakeableSleep } from '../../leases/wakeable-sleep.ts';
import type { Log } from '../../logging/log.ts';
import { watchWithNodes } from './boot.ts';
import { watchClock } from './watch.ts';

// The time sentinel of a service: one check every 5 s, independently of the queue. A check needs
// one connection for a moment. If the time is not trusted, the reason is logged each minute.

export interface Sentinel {
  /** For `/readyz`: a machine whose clock is wrong is not ready. */
  readonly readiness: { readonly name: string; reason(): Promise<string | undefined> };
  /** Whether the clock of this machine agrees with the database, by the latest check. */
  isClockRight(): boolean;
  stop(): Promise<void>;
}

const watchEveryMs = 5 * secondMs;
const logEveryMs = minuteMs;

/**
 * Starts with a check that ends before any work begins. At the first check after a boot of this
 * machine, the uptimes of the nodes are read.
 */
export async function startSentinel(
  db: Db,
  log: Pick<Log, 'debug' | 'info' | 'error'>,
  everyMs = watchEveryMs,
): Promise<Sentinel> {
  const memory: ClockMemory = { beat: -1n, timeline: null };
  const report = createReporter(log);
  let latest = await watchWithNodes(db, await readClockReading(db), memory);
  report(latest);

  const stopping = new AbortController();
  const sleeper = new WakeableSleep();
  async function loop(): Promise<void> {
    for (;;) {
      await sleeper.sleep(everyMs, stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        latest = await watchClock(db, { memory });
        report(latest);
      } catch (error) {
        const fault = toFault(error);
        log.debug({ code: fault.code, err: fault }, `time sentinel: ${fault.message}`);
      }
    }
  }
  const looping = loop();
  return {
    // With a suspicious time of the database, the replica still credits top-ups: it is ready.
    readiness: { name: 'clock', reason: async () => describeSkew(latest) },
    isClockRight: () => describeSkew(latest) === undefined,
    async stop() {
      stopping.abort();
      await looping;
    },
  };
}

/** Logs a new reason at once, the same reason each minute, and its end. */
function createReporter(log: Pick<Log, 'info' | 'error'>): (reading: ClockReading) => void {
  const elapsedMs = stopwatch();
  let last: { readonly about: string; readonly atMs: number } | undefined;
  return (reading) => {
    const problem = toClockProblem(reading);
    if (problem === undefined) {
      if (last !== undefined) log.info({}, 'the time is trusted again');
      last = undefined;
      return;
    }
    const isSame = last?.about === problem.kind;
    if (isSame && elapsedMs() - (last?.atMs ?? 0) < logEveryMs) return;
    last = { about: problem.kind, atMs: elapsedMs() };
    log.error({ worker: 'time-sentinel', byMs: problem.byMs }, problem.sentence);
  };
}

interface ClockProblem {
  readonly kind: string;
  readonly byMs: number;
  readonly sentence: string;
}

function toClockProblem({ trust, skewMs }: ClockReading): ClockProblem | undefined {
  if (trust.kind === 'suspect') {
    const { cause, byMs, reason } = trust;
    const waits =
      cause === 'commits_lost'
        ? 'all changes wait'
        : 'charges, ends, reminders, deletions and sales wait';
    return { kind: cause, byMs, sentence: `${reason}: ${waits}` };
  }
  const sentence = describeSkew({ skewMs });
  if (sentence === undefined) return undefined;
  return { kind: 'machine', byMs: Math.round(skewMs), sentence };
}

function describeSkew({ skewMs }: Pick<ClockReading, 'skewMs'>): string | undefined {
  if (Math.abs(skewMs) <= skewMaxMs) return undefined;
  const byS = Math.round(Math.abs(skewMs) / secondMs);
  const direction = skewMs > 0 ? 'ahead of' : 'behind';
  return `the clock of ${thisMachine.name} is ${byS} s ${direction} the database clock: no workers run here`;
}
