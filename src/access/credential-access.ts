import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import type { Reason } from '../kernel/reason.ts';
import { isEntitled } from './entitlement.ts';
import {
  decideNodeUserState,
  describeNodeUserState,
  isConfirmed,
  type NodeUserFacts,
} from './node-user-state.ts';

/** The access of a credential to a node. */
export interface CredentialAccess {
  readonly subscription_id: number;
  readonly node: string;
  readonly entitled: boolean;
  /** The node may differ from the database. */
  readonly marked: boolean;
  /** The node had the user at its last probe. */
  readonly confirmed: boolean;
  readonly down_since: string | null;
  readonly reason: Reason;
}

/** A customer may have 10,000 subscriptions: active ones first, then the latest. */
const subscriptionsMax = 100;

/** The live credentials of a customer on every node, and all credentials with a mark. */
export async function readCredentialAccess(
  db: Db | Tx,
  telegramId: bigint,
  now: Instant,
): Promise<CredentialAccess[]> {
  const { rows } = await sql<NodeUserFacts>`
    SELECT s.id AS "subscriptionId", n.id AS node, ${isEntitled()} AS "isEntitled",
      n.last_seen_at AS "lastSeenAt", n.down_since AS "downSince", n.last_error AS "nodeError",
      n.link_error AS "linkError",
      coalesce(n.seeded_boot_at = n.boot_at OR c.id <= n.seed_after, false) AS "isFilled",
      EXISTS (SELECT FROM perennial.marking o WHERE o.node_id = n.id AND o.plan = p.key)
        AS "isMarking",
      m.marked_at AS "markedAt", m.attempts, m.next_attempt_at AS "nextAttemptAt",
      m.last_error AS "markError", q.reason AS "quarantineReason",
      q.retry_at AS "quarantineRetryAt"
    FROM perennial.customer u
    JOIN LATERAL (
      SELECT own.id, own.plan, own.state FROM perennial.subscription own
      WHERE own.customer_id = u.id
      ORDER BY own.state = 'active' DESC, own.id DESC LIMIT ${subscriptionsMax}) s ON true
    JOIN perennial.plan p ON p.key = s.plan
    JOIN perennial.credential c ON c.subscription_id = s.id
    CROSS JOIN perennial.node n
    LEFT JOIN perennial.access_sync m ON m.node_id = n.id AND m.credential_id = c.id
    LEFT JOIN perennial.quarantine q ON q.worker = 'keep-node' AND q.item = n.id || '/' || s.id
    WHERE u.telegram_id = ${telegramId} AND (c.retired_at IS NULL OR m.node_id IS NOT NULL)
    ORDER BY s.id, n.id, c.issued_at, c.id`.execute(db);
  return rows.map((facts) => ({
    subscription_id: Number(facts.subscriptionId),
    node: facts.node,
    entitled: facts.isEntitled,
    marked: facts.markedAt !== null,
    confirmed: isConfirmed(facts),
    down_since: facts.downSince === null ? null : isoTime(facts.downSince),
    reason: describeNodeUserState(decideNodeUserState(facts, now)),
  }));
}
