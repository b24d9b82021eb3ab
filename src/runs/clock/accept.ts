import { sql } from 'kysely';
import { advanceMark, createClockState, lockClockState } from '../../db/clock-mark.ts';
import type { ClockSuspicion } from '../../db/clock-trust.ts';
import { type Db, inTransaction } from '../../db/connect.ts';
import { type ClockReading, readClockReading } from '../../db/trusted-time.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { type Actor, recordEvents } from '../../subscription/store/events.ts';

// The state of the time sentinel for a person, and the confirmation of the time.

/** A clock that the sentinel compares with. */
export interface WitnessReading {
  readonly id: string;
  readonly name: string;
  readonly at: Instant;
}

export interface ClockStatus extends ClockReading {
  readonly witnesses: readonly WitnessReading[];
}

/** Reads the time, its trust, and the clocks that it is compared with. Changes nothing. */
export async function readClockStatus(db: Db): Promise<ClockStatus> {
  const { rows } = await sql<WitnessReading>`
    SELECT id, name, at FROM perennial.clock_witness ORDER BY id`.execute(db);
  return { ...(await readClockReading(db)), witnesses: rows };
}

export interface AcceptedClock {
  readonly now: Instant;
  /** null: the time was already trusted, and nothing was changed. */
  readonly accepted: ClockSuspicion | null;
}

/** Confirms the present time and state of the database. The witnesses start anew. */
export function acceptClock(db: Db, actor: Actor): Promise<AcceptedClock> {
  return inTransaction(db, async (tx) => {
    const { isStateMissing, now: at, stored } = await readClockReading(tx);
    if (isStateMissing && stored !== null) await createClockState(tx, at, stored);
    await lockClockState(tx, 'wait');
    const reading = await readClockReading(tx);
    const { now, trust } = reading;
    if (trust.kind === 'trusted') return { now, accepted: null };
    await sql`UPDATE perennial.clock_state SET mark_at = NULL`.execute(tx);
    await sql`DELETE FROM perennial.clock_witness`.execute(tx);
    await advanceMark(tx, reading);
    const { cause, byMs, reason } = trust;
    const detail = { cause, by_s: Math.round(byMs / 1_000), reason };
    const event = { customerId: null, subject: 'clock', action: 'clock_accepted', detail };
    await recordEvents(tx, [event], actor, now);
    return { now, accepted: { cause, byMs, reason } };
  });
}

const toSeconds = (ms: number): number => Math.round(ms / 1_000);

/** For programs. */
export function toAcceptedClockJson({ now, accepted }: AcceptedClock) {
  return {
    now: isoTime(now),
    accepted: accepted !== null,
    cause: accepted?.cause ?? null,
    by_s: accepted === null ? null : toSeconds(accepted.byMs),
    reason: accepted?.reason ?? null,
  };
}

/** For programs. */
export function toClockStatusJson({
  now,
  markAt,
  skewMs,
  isStored,
  trust,
  witnesses,
}: ClockStatus) {
  return {
    now: isoTime(now),
    mark_at: markAt === null ? null : isoTime(markAt),
    machine_ahead_s: Number((skewMs / 1_000).toFixed(3)),
    stored: isStored,
    trusted: trust.kind === 'trusted',
    cause: trust.kind === 'suspect' ? trust.cause : null,
    by_s: trust.kind === 'suspect' ? toSeconds(trust.byMs) : null,
    reason: trust.kind === 'suspect' ? trust.reason : null,
    witnesses: witnesses.map(({ id, name, at }) => ({ id, name, at: isoTime(at) })),
  };
}
