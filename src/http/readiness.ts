import { toFault } from '../db/faults.ts';
import { openStandbyProbe } from '../db/standby-probe.ts';
import { secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';

// Readiness: whether this replica can serve requests now. A check has a name and a function. The
// database is always checked; other parts of the service add their checks.

export interface ReadinessCheck {
  readonly name: string;
  /** @returns the reason why the replica is not ready; undefined: it is ready */
  reason(): Promise<string | undefined>;
}

export interface ReadinessFailure {
  readonly name: string;
  readonly reason: string;
}

export interface Readiness {
  /** @returns the reasons why the replica is not ready; empty: it is ready */
  check(): Promise<readonly ReadinessFailure[]>;
  close(): Promise<void>;
}

/** A balancer probes every few seconds, with a similar timeout. */
const probeTimeoutMs = 2 * secondMs;
/** Probes have no limit, so one answer serves all probes of this time. */
const cacheMs = secondMs;

/**
 * Checks the database on a separate connection: slow requests cannot make a replica look down, and
 * probes take no connection from sales.
 */
export function openReadiness(url: string, extraChecks: readonly ReadinessCheck[] = []): Readiness {
  const probe = openStandbyProbe(url, probeTimeoutMs);
  const database: ReadinessCheck = {
    name: 'database',
    reason: async () =>
      (await probe.isStandby()) ? 'is a standby, which takes no changes' : undefined,
  };
  const elapsedMs = stopwatch();
  let latest:
    | { readonly askedMs: number; readonly answer: Promise<ReadinessFailure[]> }
    | undefined;
  return {
    check() {
      if (latest === undefined || elapsedMs() - latest.askedMs > cacheMs) {
        latest = { askedMs: elapsedMs(), answer: runChecks([database, ...extraChecks]) };
      }
      return latest.answer;
    },
    close: () => probe.close(),
  };
}

async function runChecks(checks: readonly ReadinessCheck[]): Promise<ReadinessFailure[]> {
  const results = await Promise.all(
    checks.map(async (check) => ({ name: check.name, reason: await runCheck(check) })),
  );
  return results.filter((result): result is ReadinessFailure => result.reason !== undefined);
}

async function runCheck(check: ReadinessCheck): Promise<string | undefined> {
  try {
    return await check.reason();
  } catch (error) {
    // Only the code, because a message can name a user or a host.
    return `cannot be reached (${toFault(error).code})`;
  }
}
