import { faultOf } from '../db/faults.ts';
import { openProbe } from '../db/probe.ts';
import { secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';

// Readiness: whether this replica can serve requests now. Each check is a name and a question. The
// database is always asked; other parts of the service add checks of their own.

export interface ReadinessCheck {
  readonly name: string;
  /** @returns the reason why the replica is not ready; undefined: it is ready */
  reason(): Promise<string | undefined>;
}

export interface NotReady {
  readonly name: string;
  readonly reason: string;
}

export interface Readiness {
  /** @returns the reasons why the replica is not ready; empty: it is ready */
  ask(): Promise<readonly NotReady[]>;
  close(): Promise<void>;
}

/** A balancer asks every few seconds, and gives up after about as long. */
const answerMs = 2 * secondMs;
/** Probes have no limit, so one answer serves all probes of this time. */
const freshMs = secondMs;

/**
 * The database is asked on a connection of its own: slow requests cannot make a replica look dead,
 * and probes take no connection from sales.
 */
export function openReadiness(url: string, others: readonly ReadinessCheck[] = []): Readiness {
  const probe = openProbe(url, answerMs);
  const database: ReadinessCheck = {
    name: 'database',
    reason: async () =>
      (await probe.isStandby()) ? 'is a standby, which takes no changes' : undefined,
  };
  const elapsedMs = stopwatch();
  let latest: { readonly askedMs: number; readonly answer: Promise<NotReady[]> } | undefined;
  return {
    ask() {
      if (latest === undefined || elapsedMs() - latest.askedMs > freshMs) {
        latest = { askedMs: elapsedMs(), answer: askAll([database, ...others]) };
      }
      return latest.answer;
    },
    close: () => probe.close(),
  };
}

async function askAll(checks: readonly ReadinessCheck[]): Promise<NotReady[]> {
  const answers = await Promise.all(
    checks.map(async (check) => ({ name: check.name, reason: await reasonOf(check) })),
  );
  return answers.filter((answer): answer is NotReady => answer.reason !== undefined);
}

async function reasonOf(check: ReadinessCheck): Promise<string | undefined> {
  try {
    return await check.reason();
  } catch (error) {
    // The code alone: a message can name a user or a host.
    return `cannot be reached (${faultOf(error).code})`;
  }
}
