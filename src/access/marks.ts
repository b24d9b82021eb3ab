import { type RawBuilder, sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { isEntitled } from './entitlement.ts';

// Marks: the rows of `access_sync`. Only this file inserts marks. Their keeper settles them.

/**
 * The effect of a new mark on an existing mark of the same credential and node. A new version means
 * that a keeper cannot confirm the change that it is applying now (rule 4).
 *
 * - `restart`: the entitlement changed. New version, due at once, without the failed attempts.
 * - `repeat`: a change may have been applied wrongly. New version, urgent, and the failed attempts
 *   and the earlier of both due times stay.
 * - `advance`: the node has a new boot. Due at once; everything else stays, also the version.
 * - `replace`: the user on the node is wrong. New version, and the user is removed first.
 */
export type MarkConflict = 'restart' | 'repeat' | 'advance' | 'replace';

const newVersion = sql`version = nextval('perennial.access_sync_version')`;

const updates: Readonly<Record<MarkConflict, RawBuilder<unknown>>> = {
  restart: sql`${newVersion}, urgent = access_sync.urgent OR excluded.urgent,
    replace = access_sync.replace OR excluded.replace,
    removes = access_sync.removes OR excluded.removes, attempts = 0, last_error = NULL,
    next_attempt_at = excluded.next_attempt_at, marked_at = excluded.marked_at`,
  repeat: sql`${newVersion}, urgent = true, replace = access_sync.replace OR excluded.replace,
    lost = access_sync.lost + excluded.lost,
    next_attempt_at = least(access_sync.next_attempt_at, excluded.next_attempt_at)`,
  advance: sql`next_attempt_at = excluded.next_attempt_at
    WHERE access_sync.next_attempt_at > excluded.next_attempt_at`,
  replace: sql`${newVersion}, replace = true WHERE excluded.replace AND NOT access_sync.replace`,
};

/** Marks to insert: a row for each row of `from`. */
export interface NewMarks {
  /** The rest of the statement after FROM. */
  readonly from: RawBuilder<unknown>;
  readonly node: RawBuilder<unknown>;
  readonly credential: RawBuilder<unknown>;
  /** Urgent marks are applied first: removals, and changes of single customers. */
  readonly urgent?: RawBuilder<unknown>;
  /** An add does not correct the user on the node, so the user is removed first. */
  readonly replace?: RawBuilder<unknown>;
  /** The user loses access to an inbound, and keeps the others. */
  readonly removes?: RawBuilder<unknown>;
  /** Connections that broke during an add of this user. */
  readonly lost?: RawBuilder<unknown>;
  readonly dueAt: Instant;
  /** Default: `dueAt`. */
  readonly markedAt?: Instant;
  readonly onConflict: MarkConflict;
}

/**
 * The statement that inserts marks. Every statement that writes several marks takes them by node
 * and credential. So a batch and a keeper with common marks wait for each other without a deadlock.
 */
export function buildMarkInsert({
  from,
  node,
  credential,
  urgent = sql`true`,
  replace = sql`false`,
  removes = sql`false`,
  lost = sql`0`,
  dueAt,
  markedAt = dueAt,
  onConflict,
}: NewMarks): RawBuilder<unknown> {
  return sql`
    INSERT INTO perennial.access_sync (node_id, credential_id, urgent, replace, removes, lost,
      next_attempt_at, marked_at)
    SELECT ${node}, ${credential}, ${urgent}, ${replace}, ${removes}, ${lost},
      ${isoTime(dueAt)}::timestamptz, ${isoTime(markedAt)}::timestamptz
    FROM ${from}
    ORDER BY 1, 2
    ON CONFLICT (node_id, credential_id) DO UPDATE SET ${updates[onConflict]}`;
}

/** The marks of a node `n` with what `isRemoval` needs. */
export const marksOfNode: RawBuilder<unknown> = sql`
  perennial.access_sync m
  JOIN perennial.credential c ON c.id = m.credential_id
  JOIN perennial.subscription s ON s.id = c.subscription_id
  JOIN perennial.plan p ON p.key = s.plan`;

/**
 * Of a mark `m` of `marksOfNode`: the user may not connect to the node. The reason is an end, a
 * revocation, a replaced credential, or a change of plan or group.
 */
export const isRemoval: RawBuilder<boolean> = sql`(NOT ${isEntitled()})`;

/** Of such a mark: the node has to take access away, also that to one inbound only. */
export const removesAccess: RawBuilder<boolean> = sql`(${isRemoval} OR m.removes)`;

/** Since when the node has to remove the user of such a mark. */
export const removalSince: RawBuilder<Instant> = sql`coalesce(c.retired_at, m.marked_at)`;
