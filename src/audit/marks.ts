import { type RawBuilder, sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';

// Promises 4 and 5 on their way to the nodes: what a node may still have to be told is a mark, and
// no mark is older than it may be. By when it was made: of an older wrong that a comparison has just
// found, the mark is new, and it is on its way.
//
// A removal on a node that is up: 5 minutes. Its keeper is told within a second and tries every 4 s
// at most while the node is at fault; a refusal that it doesn't know is tried three times by then.
// An addition there: an hour. A node of a million users that was started is full after half of that
// at 50 ms of distance, and everybody who is waiting has a mark all the while.
// On a node that is down: a day. Nobody can be taken off there, nor connect; but whoever has a node
// that doesn't come back should give it up. A node that nobody has ever reached has nobody of ours.

interface Row {
  readonly customer_id: bigint;
  readonly id: bigint;
  readonly node: string;
  readonly marked_at: Instant;
  readonly last_error: string | null;
  readonly up: boolean;
}

/** Its last probe was well, and is the last but some: they come every 2 s. */
const isUp = (now: RawBuilder<Instant>) =>
  sql`n.failures = 0 AND n.last_seen_at > ${now} - interval '1 minute'`;

/**
 * The rule of `access/entitlement.ts`, repeated on purpose: a check that shares a fragment with the
 * program would share its faults.
 */
const isRemoval = sql`(c.retired_at IS NOT NULL OR s.state <> 'active' OR NOT p.groups && n.groups
  OR m.removes)`;

const selectOldMarks = (
  now: RawBuilder<Instant>,
  condition: RawBuilder<unknown>,
  reachableMax: string,
) => sql`
  SELECT s.customer_id, s.id, n.id AS node, m.marked_at, m.last_error, ${isUp(now)} AS up
  FROM perennial.access_sync m
  JOIN perennial.node n ON n.id = m.node_id
  JOIN perennial.credential c ON c.id = m.credential_id
  JOIN perennial.subscription s ON s.id = c.subscription_id
  JOIN perennial.plan p ON p.key = s.plan
  WHERE n.last_seen_at IS NOT NULL AND ${condition}
    AND m.marked_at < ${now} - CASE WHEN ${isUp(now)} THEN ${reachableMax}::interval
      ELSE interval '24 hours' END`;

const toRows = ({ id, node }: Row) => ({ node: [node], subscription: [id] });

const formatSince = ({ node, marked_at, last_error, up }: Row): string =>
  `since ${isoTime(marked_at)}; node ${node} is ${up ? 'up' : 'down'}${last_error === null ? '' : `, and said last: ${last_error}`}`;

export const additionIsConfirmed = defineCheck<Row>({
  id: 'addition-is-confirmed',
  promise: 4,
  title:
    'a node that is up has let in who may connect within an hour, one that is down within a day',
  find: (now) => selectOldMarks(now, sql`NOT ${isRemoval}`, '1 hour'),
  rows: toRows,
  describe: (row) =>
    `subscription ${row.id} is to be let in, and it isn't known to be, ${formatSince(row)}`,
});

export const removalIsConfirmed = defineCheck<Row>({
  id: 'removal-is-confirmed',
  promise: 5,
  title:
    'a node that is up has confirmed each removal within 5 minutes, one that is down within a day',
  find: (now) => selectOldMarks(now, isRemoval, '5 minutes'),
  rows: toRows,
  describe: (row) =>
    `subscription ${row.id} is to be shut out, and isn't known to be, ${formatSince(row)}`,
});
