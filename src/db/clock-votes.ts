import type { Instant } from '../kernel/instant.ts';
import {
  type ClockSuspicion,
  type ClockWitness,
  computeShiftMs,
  detectJump,
  toSuspicion,
} from './clock-trust.ts';

// The uptimes of nodes measure the time that passed while no replica ran. Pure.
//
// 1. A node whose uptime is below that of before was restarted, and shows nothing.
// 2. A node did not restart if its uptime is longer than the time since the last probe.
//    A node with users did not restart either: a restarted node has none until a keeper seeds it.
// 3. The time is suspicious if at least half of the nodes that did not restart contradict it.

/** The state of a node at a trusted time, and its state now. */
export interface NodeVote {
  readonly before: ClockWitness;
  readonly uptimeMs: number;
  /** The node has users, and no keeper seeded it since. */
  readonly hasUsers: boolean;
}

/** The difference between the nodes and `now`. undefined: they agree, or give no evidence. */
export function detectNodeSuspicion(
  now: Instant,
  votes: readonly NodeVote[],
): { readonly suspicion: ClockSuspicion; readonly shiftMs: number } | undefined {
  const notRestarted = votes.filter(
    ({ before, uptimeMs, hasUsers }) =>
      uptimeMs >= before.uptimeMs && (hasUsers || uptimeMs > now - before.at),
  );
  const shifts = notRestarted
    .map(({ before, uptimeMs }) => {
      const read = { from: uptimeMs, to: uptimeMs };
      const shiftMs = computeShiftMs(now, before, read);
      return { shiftMs, name: before.name, isJump: detectJump(now, before, read) !== undefined };
    })
    .sort((a, b) => a.shiftMs - b.shiftMs);
  const jumps = shifts.filter(({ isJump }) => isJump);
  if (jumps.length === 0 || jumps.length * 2 < shifts.length) return undefined;
  const median = jumps[Math.floor(jumps.length / 2)] as (typeof jumps)[number];
  const suspicion = toSuspicion(median.shiftMs, `the uptime of ${median.name}`);
  return { suspicion, shiftMs: median.shiftMs };
}
