import type { Instant } from '../kernel/instant.ts';
import { type ClockWitness, jumpBy, type Suspicion, shiftOf, suspicionOf } from './clock-trust.ts';

// What the uptimes of nodes show about the time that passed while no replica ran. Pure.
//
// 1. A node whose uptime is below that of before was restarted, and shows nothing.
// 2. A node did not restart if its uptime is longer than the time since it was seen, or if it still
//    has users: a restarted node has none until a keeper fills it.
// 3. The time is suspicious if at least half of the nodes that did not restart contradict it.

/** What a node showed at a trusted time, and what it shows now. */
export interface NodeVote {
  readonly before: ClockWitness;
  readonly uptimeMs: number;
  /** The node has users, and no keeper filled it since. */
  readonly hasUsers: boolean;
}

/** By how much the nodes contradict `now`. undefined: they agree, or show nothing. */
export function suspicionOfNodes(
  now: Instant,
  votes: readonly NodeVote[],
): { readonly suspicion: Suspicion; readonly shiftMs: number } | undefined {
  const lived = votes.filter(
    ({ before, uptimeMs, hasUsers }) =>
      uptimeMs >= before.uptimeMs && (hasUsers || uptimeMs > now - before.at),
  );
  const shifts = lived
    .map(({ before, uptimeMs }) => {
      const read = { from: uptimeMs, to: uptimeMs };
      const shiftMs = shiftOf(now, before, read);
      return { shiftMs, name: before.name, isJump: jumpBy(now, before, read) !== undefined };
    })
    .sort((a, b) => a.shiftMs - b.shiftMs);
  const jumps = shifts.filter(({ isJump }) => isJump);
  if (jumps.length === 0 || jumps.length * 2 < shifts.length) return undefined;
  const median = jumps[Math.floor(jumps.length / 2)] as (typeof jumps)[number];
  const suspicion = suspicionOf(median.shiftMs, `the uptime of ${median.name}`);
  return { suspicion, shiftMs: median.shiftMs };
}
