import { expect, test } from 'vitest';
import { type LeaseEvent, type LeaseState, nextLeaseState } from './lease.ts';

const lock = { kind: 'lock' } as const;
const work = { kind: 'work' } as const;
const handover = { kind: 'handover' } as const;
const handedOver = { kind: 'end', isHandover: true } as const;
const ended = { kind: 'end', isHandover: false } as const;

test.each<[LeaseState, LeaseEvent, LeaseState]>([
  [lock, 'epoch_written', work],
  [lock, 'epoch_refused', ended],
  [lock, 'surplus', lock],
  [lock, 'task_ended', lock],
  [work, 'epoch_written', work],
  [work, 'epoch_refused', work],
  [work, 'surplus', handover],
  [work, 'task_ended', ended],
  [handover, 'epoch_written', handover],
  [handover, 'epoch_refused', handover],
  [handover, 'surplus', handover],
  [handover, 'task_ended', handedOver],
  [ended, 'epoch_written', ended],
  [ended, 'epoch_refused', ended],
  [ended, 'surplus', ended],
  [ended, 'task_ended', ended],
  [handedOver, 'task_ended', handedOver],
])('a lease in the state %j after "%s" is in the state %j', (state, event, expected) => {
  expect(nextLeaseState(state, event)).toEqual(expected);
});
