import { type RawBuilder, sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';

// Promises 4 and 5 on the way to the nodes: a mark describes each pending change of a node, and no
// mark is too old.
//
// The age is that of the mark. If a comparison finds an older difference, its mark is new, and the
// change is on its way.
//
// 1. A removal on a reachable node may take 5 min. Its keeper is notified within a second. While
//    the node has faults, the keeper retries at least every 4 s. In this time it has tried an
//    unknown refusal three times.
// 2. An addition on a reachable node may take an hour. A restarted node with a million users is
//    full after half of that at 50 ms of distance. All waiting users have a mark meanwhile.
// 3. A change on an unreachable node may take a day. Its users can neither be removed nor connect.
//    A node that does not return should be removed.
// 4. A node that was never reached has none of our users.

interface Row {
  readonly customer_id: bigint;
  readonly id: bigint;
  readonly node: string;
  readonly marked_at: Instant;
  readonly last_error: string | null;
  readonly up: boolean;
}

/** The last probe succeeded and is recent. Probes come every 2 s. */
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
  `since ${isoTime(marked_at)}; node ${node} is ${up ? 'reachable' : 'unreachable'}${last_error === null ? '' : `, its last error: ${last_error}`}`;

export const additionIsConfirmed = defineCheck<Row>({
  id: 'addition-is-confirmed',
  promise: 4,
  title: 'a reachable node has applied each addition within an hour, another one within a day',
  find: (now) => selectOldMarks(now, sql`NOT ${isRemoval}`, '1 hour'),
  rows: toRows,
  describe: (row) =>
    `subscription ${row.id} has an addition that is not confirmed, ${formatSince(row)}`,
});

export const removalIsConfirmed = defineCheck<Row>({
  id: 'removal-is-confirmed',
  promise: 5,
  title: 'a reachable node has confirmed each removal within 5 minutes, another one within a day',
  find: (now) => selectOldMarks(now, isRemoval, '5 minutes'),
  rows: toRows,
  describe: (row) =>
    `subscription ${row.id} has a removal that is not confirmed, ${formatSince(row)}`,
});
