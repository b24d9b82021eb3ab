import { skewMaxMs } from '../db/clock.ts';
import type { ClockMemory } from '../db/clock-mark.ts';
import type { Db } from '../db/connect.ts';
import { faultOf } from '../db/faults.ts';
import { thisMachine } from '../db/machine.ts';
import { type ClockReading, readClockReading } from '../db/trusted-time.ts';
import { minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { Bell } from './bell.ts';
import { watchWithNodes } from './clock-boot.ts';
import { watchClock } from './clock-watch.ts';

// The time sentinel of a service: one look every 5 s, whatever the queue does. It needs one
// connection for a moment. Each minute it logs why the time is not trusted.

export interface SentinelLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Sentinel {
  /** For `/readyz`: a machine whose clock is wrong is not ready. */
  readonly readiness: { readonly name: string; reason(): Promise<string | undefined> };
  /** Whether the clock of this machine agrees with the database, by the latest look. */
  isClockRight(): boolean;
  stop(): Promise<void>;
}

const lookMs = 5 * secondMs;
const logMs = minuteMs;

/**
 * Starts with a look that ends before any work begins: at the first look after a boot of this
 * machine, the nodes are asked for their uptimes.
 */
export async function startSentinel(db: Db, log: SentinelLog, everyMs = lookMs): Promise<Sentinel> {
  const memory: ClockMemory = { beat: -1n, timeline: null };
  const report = reporter(log);
  let latest = await watchWithNodes(db, await readClockReading(db), memory);
  report(latest);

  const ending = new AbortController();
  const bell = new Bell();
  async function loop(): Promise<void> {
    for (;;) {
      await bell.wait(everyMs, ending.signal);
      if (ending.signal.aborted) return;
      try {
        latest = await watchClock(db, { memory });
        report(latest);
      } catch (error) {
        const fault = faultOf(error);
        log.debug({ code: fault.code, err: fault }, `time sentinel: ${fault.message}`);
      }
    }
  }
  const looping = loop();
  return {
    // With a suspicious time of the database, the replica still credits top-ups: it is ready.
    readiness: { name: 'clock', reason: async () => skewReason(latest) },
    isClockRight: () => skewReason(latest) === undefined,
    async stop() {
      ending.abort();
      await looping;
    },
  };
}

/** Logs a new reason at once, the same one each minute, and its end. */
function reporter(log: SentinelLog): (reading: ClockReading) => void {
  const elapsedMs = stopwatch();
  let last: { readonly about: string; readonly atMs: number } | undefined;
  return (reading) => {
    const problem = problemOf(reading);
    if (problem === undefined) {
      if (last !== undefined) log.info({}, 'the time is trusted again');
      last = undefined;
      return;
    }
    const isSame = last?.about === problem.about;
    if (isSame && elapsedMs() - (last?.atMs ?? 0) < logMs) return;
    last = { about: problem.about, atMs: elapsedMs() };
    log.error({ worker: 'time-sentinel', byMs: problem.byMs }, problem.sentence);
  };
}

interface ClockProblem {
  readonly about: string;
  readonly byMs: number;
  readonly sentence: string;
}

function problemOf({ trust, skewMs }: ClockReading): ClockProblem | undefined {
  if (trust.kind === 'suspect') {
    const { cause, byMs, reason } = trust;
    const waits =
      cause === 'commits_lost'
        ? 'all changes wait'
        : 'charges, ends, reminders, deletions and sales wait';
    return { about: cause, byMs, sentence: `${reason}: ${waits}` };
  }
  const sentence = skewReason({ skewMs });
  if (sentence === undefined) return undefined;
  return { about: 'machine', byMs: Math.round(skewMs), sentence };
}

function skewReason({ skewMs }: Pick<ClockReading, 'skewMs'>): string | undefined {
  if (Math.abs(skewMs) <= skewMaxMs) return undefined;
  const byS = Math.round(Math.abs(skewMs) / secondMs);
  const way = skewMs > 0 ? 'ahead of' : 'behind';
  return `the clock of ${thisMachine.name} is ${byS} s ${way} the database clock: no workers run here`;
}
