import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname, uptime } from 'node:os';
import { secondMs } from '../kernel/instant.ts';

// A monotonic clock that all processes of a machine share: the time since its boot. It also runs
// while the machine is suspended or a process is stopped.

export interface Machine {
  /** `boot:` and the id of this boot of the machine, or `process:` and an id of this process. */
  readonly id: string;
  /** The name of the host, for people. */
  readonly name: string;
  uptimeMs(): number;
}

/** More than the difference of the two clocks of one boot within one read. */
const clockDifferenceMaxMs = 5 * secondMs;

function readBootId(): string | undefined {
  // A container may have the boot id of its host and a shorter uptime. The monotonic clock is the
  // clock of the host, so it differs from this uptime. It also differs after a suspension.
  const monotonicMs = Number(process.hrtime.bigint() / 1_000_000n);
  if (Math.abs(monotonicMs - uptime() * secondMs) > clockDifferenceMaxMs) return undefined;
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined; // not Linux
  }
}

function readMachine(): Machine {
  const boot = readBootId();
  return {
    id: boot === undefined ? `process:${randomUUID()}` : `boot:${boot}`,
    name: hostname(),
    uptimeMs: () => Math.round(uptime() * secondMs),
  };
}

/** The machine of this process. */
export const thisMachine: Machine = readMachine();
