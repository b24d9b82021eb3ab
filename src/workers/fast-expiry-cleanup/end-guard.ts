import type { Tx } from '../../db/connect.ts';
import { allowance, cannotHold, endsFloor } from '../../subscription/hourly-limit.ts';
import type { Facts } from '../../subscription/renewal-facts.ts';
import { countActive, doneInTheLastHour } from '../hourly-count.ts';
import type { Decided } from '../spending.ts';
import type { Moment } from '../worker.ts';
import { takeGuard } from './store.ts';

// The blast guard (`subscription/hourly-limit.ts`, rules 1 and 2; matrix F8). A wrong clock or a
// wrong import cuts off few customers before a person looks at it.

/** Held by the blast guard. Busy: another replica counts ends now; the next run sees to this one. */
export interface HeldEnd {
  readonly do: 'hold-end';
  readonly isBusy: boolean;
}

/** Replaces the ends that the blast guard holds. The earliest ends go first. */
export async function guardEnds<F extends Facts, D extends { readonly do: string }>(
  tx: Tx,
  outcomes: readonly Decided<F, D>[],
  moment: Moment,
): Promise<Decided<F, D | HeldEnd>[]> {
  const ends = outcomes.filter(({ decision }) => decision.do === 'end');
  const admitted = moment.confirmed ? ends.length : await admit(tx, ends.length, moment);
  const isBusy = admitted === 'busy';
  const byEnd = ends.toSorted((one, other) => one.facts.expiresAt - other.facts.expiresAt);
  const held = new Set(byEnd.slice(isBusy ? 0 : admitted));
  return outcomes.map((one) =>
    held.has(one) ? { ...one, decision: { do: 'hold-end', isBusy } } : one,
  );
}

/** In `Moment.counted`. */
const active = 'active, for the blast guard';
const isFull = 'the blast guard holds';
const previewed = 'ends of this preview';

/**
 * How many of the wanted may end now; the guard's count is ours until the transaction ends. `busy`:
 * another replica is at a batch; these wait for the next run, and nobody need hear of it.
 */
async function admit(tx: Tx, wanted: number, moment: Moment): Promise<number | 'busy'> {
  const { now, counted, isPreview } = moment;
  if (wanted === 0 || moment.heldBefore || counted.has(isFull)) return 0;
  if (!isPreview && !(await takeGuard(tx))) return 'busy';
  const before = counted.get(previewed) ?? 0;
  const ended = before + (await doneInTheLastHour(tx, ['fast-expiry-cleanup'], 'ended', now));
  let room = wanted;
  if (!cannotHold(endsFloor, wanted, ended)) {
    // The active when the hour began.
    const count = counted.get(active) ?? (await countActive(tx)) + ended;
    counted.set(active, count);
    room = Math.min(wanted, allowance(endsFloor, count, ended));
  }
  if (isPreview && room < wanted) counted.set(isFull, 1);
  if (isPreview) counted.set(previewed, before + room);
  return room;
}
