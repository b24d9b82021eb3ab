import type { ClockMemory } from '../../db/clock-mark.ts';
import type { NodeVote } from '../../db/clock-votes.ts';
import type { Db } from '../../db/connect.ts';
import { type ClockReading, readClockReading } from '../../db/trusted-time.ts';
import { watchClock } from './watch.ts';

/**
 * Checks the clocks. After a boot this machine has no witness, so a wrong time would be trusted.
 * Therefore the uptimes of the nodes are read first. Never call this inside a transaction.
 */
export async function watchWithNodes(
  db: Db,
  reading: ClockReading,
  memory?: ClockMemory,
): Promise<ClockReading> {
  const { isStored, witness, timeline } = reading;
  const needsVotes = !isStored && witness === null && timeline !== null;
  const votes = needsVotes ? await readNodeVotes(db) : [];
  return watchClock(db, memory === undefined ? { votes } : { memory, votes });
}

/**
 * For a command, which may be the first work after a boot. A run cannot reach a node (promise 8).
 */
export async function watchAfterBoot(db: Db): Promise<void> {
  const reading = await readClockReading(db);
  const { isStored, witness, timeline } = reading;
  if (isStored || witness !== null || timeline === null) return;
  await watchWithNodes(db, reading);
}

/** Loads the client of nodes only if it is needed, so that commands start faster. */
async function readNodeVotes(db: Db): Promise<NodeVote[]> {
  const { readNodeUptimes } = await import('./node-uptimes.ts');
  return readNodeUptimes(db);
}
