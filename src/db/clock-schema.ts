import type { ColumnType, Generated } from 'kysely';
import type { Instant } from '../kernel/instant.ts';
import type { ClockSuspicionCause } from './clock-trust.ts';

// The tables of the time sentinel. `schema.ts` has the others.

type Time = ColumnType<Instant, string, string>;
type MaybeTime = ColumnType<Instant | null, string | null | undefined, string | null>;

export interface ClockStateTable {
  only_row: Generated<boolean>;
  mark_at: MaybeTime;
  beat: Generated<bigint>;
  timeline: number | null;
  synchronous: Generated<boolean>;
  deletions_at: MaybeTime;
  deletions_next_at: MaybeTime;
  suspect_cause: ClockSuspicionCause | null;
  suspect_by_ms: bigint | null;
  suspect_reason: string | null;
  suspect_at: MaybeTime;
}

export interface ClockWitnessTable {
  id: string;
  name: string;
  uptime_ms: bigint;
  since_uptime_ms: bigint;
  at: Time;
  is_floor: Generated<boolean>;
  stepped_ms: Generated<bigint>;
  steps_since_uptime_ms: Generated<bigint>;
}
