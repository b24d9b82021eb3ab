import { sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';
import { additionIsConfirmed, removalIsConfirmed } from './marks.ts';

// Promises 4 and 5 in the database: a credential is live exactly as long as its subscription runs.
// `perennial audit --nodes` checks the users of the nodes.

const runningHasACredential = defineCheck<{ customer_id: bigint; id: bigint; expires_at: Instant }>(
  {
    id: 'running-has-a-credential',
    promise: 4,
    title: 'a running subscription has a live credential, unless its customer is blocked',
    find: (now) => sql`
    SELECT s.customer_id, s.id, s.expires_at FROM subscription s
    WHERE s.state = 'active' AND s.expires_at > ${now}
      AND NOT EXISTS (SELECT FROM credential k
        WHERE k.subscription_id = s.id AND k.retired_at IS NULL)
      AND NOT EXISTS (SELECT FROM customer c
        WHERE c.id = s.customer_id AND c.blocked_at IS NOT NULL)`,
    rows: ({ id }) => ({ subscription: [id] }),
    describe: ({ id, expires_at }) =>
      `subscription ${id} runs until ${isoTime(expires_at)}, and has no live credential`,
  },
);

const endedHasNoCredential = defineCheck<{
  customer_id: bigint;
  id: string;
  subscription_id: bigint;
  state: string;
}>({
  id: 'ended-has-no-credential',
  promise: 5,
  title: 'a subscription that has ended has no live credential',
  find: () => sql`
    SELECT s.customer_id, k.id, s.id AS subscription_id, s.state
    FROM credential k JOIN subscription s ON s.id = k.subscription_id
    WHERE k.retired_at IS NULL AND s.state <> 'active'`,
  rows: ({ id, subscription_id }) => ({ credential: [id], subscription: [subscription_id] }),
  describe: ({ id, subscription_id, state }) =>
    `subscription ${subscription_id} is ${state}, but credential ${id} is live`,
});

const blockedHasNoCredential = defineCheck<{ customer_id: bigint; id: string }>({
  id: 'blocked-has-no-credential',
  promise: 5,
  title: 'a blocked customer has no live credential',
  find: () => sql`
    SELECT c.id AS customer_id, k.id
    FROM customer c
    JOIN subscription s ON s.customer_id = c.id
    JOIN credential k ON k.subscription_id = s.id
    WHERE c.blocked_at IS NOT NULL AND k.retired_at IS NULL`,
  rows: ({ id }) => ({ credential: [id] }),
  describe: ({ id }) => `the customer is blocked, yet credential ${id} is live`,
});

/**
 * A guard or a quarantine may hold an end this long without a person (design, fast-expiry-cleanup).
 */
const heldMax = sql`interval '24 hours'`;

const pastItsEndIsEnded = defineCheck<{ customer_id: bigint; id: bigint; expires_at: Instant }>({
  id: 'past-its-end-is-ended',
  promise: 5,
  title: 'a subscription over 24 hours past its end was renewed or ended',
  find: (now) => sql`
    SELECT s.customer_id, s.id, s.expires_at FROM perennial.subscription s
    WHERE s.state = 'active' AND s.expires_at < ${now} - ${heldMax}`,
  rows: ({ id }) => ({ subscription: [id] }),
  describe: ({ id, expires_at }) =>
    `subscription ${id} ended at ${isoTime(expires_at)}, but still gives access`,
});

export const keptAccessChecks = [runningHasACredential, additionIsConfirmed];
export const freeAccessChecks = [
  endedHasNoCredential,
  blockedHasNoCredential,
  pastItsEndIsEnded,
  removalIsConfirmed,
];
