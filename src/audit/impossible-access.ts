import { sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';
import { stepBackMax } from './times.ts';

// Credentials in impossible states, and rows of one customer that belong to another customer.

const oneLiveCredential = defineCheck<{
  customer_id: bigint;
  subscription_id: bigint;
  first_id: string;
  last_id: string;
  count: bigint;
}>({
  id: 'one-live-credential',
  promise: null,
  title: 'a subscription has at most one live credential',
  find: () => sql`
    SELECT min(customer_id) AS customer_id, subscription_id, min(id::text) AS first_id,
      max(id::text) AS last_id, count(*)
    FROM credential WHERE retired_at IS NULL
    GROUP BY subscription_id HAVING count(*) > 1`,
  rows: (row) => ({ subscription: [row.subscription_id], credential: [row.first_id, row.last_id] }),
  describe: (row) => `subscription ${row.subscription_id} has ${row.count} live credentials`,
});

const retiredAfterIssue = defineCheck<{
  customer_id: bigint;
  id: string;
  issued_at: Instant;
  retired_at: Instant;
}>({
  id: 'retired-after-issue',
  promise: null,
  title: 'a credential was issued before it was retired',
  find: () => sql`
    SELECT customer_id, id, issued_at, retired_at FROM credential
    WHERE retired_at < issued_at - ${stepBackMax}`,
  rows: ({ id }) => ({ credential: [id] }),
  describe: ({ id, issued_at, retired_at }) =>
    `credential ${id} was retired at ${isoTime(retired_at)} and issued at ${isoTime(issued_at)}`,
});

const periodOfItsCustomer = defineCheck<{
  customer_id: bigint;
  id: bigint;
  subscription_id: bigint;
  other_id: bigint;
}>({
  id: 'period-of-its-customer',
  promise: null,
  title: 'a period belongs to the customer of its subscription',
  find: () => sql`
    SELECT s.customer_id, p.id, s.id AS subscription_id, p.customer_id AS other_id
    FROM period p JOIN subscription s ON s.id = p.subscription_id
    WHERE p.customer_id <> s.customer_id`,
  rows: ({ id, subscription_id }) => ({ period: [id], subscription: [subscription_id] }),
  describe: ({ id, subscription_id, customer_id, other_id }) =>
    `subscription ${subscription_id} belongs to customer row ${customer_id}, its period ${id} to customer row ${other_id}`,
});

const credentialOfItsCustomer = defineCheck<{
  customer_id: bigint;
  id: string;
  subscription_id: bigint;
  other_id: bigint;
}>({
  id: 'credential-of-its-customer',
  promise: null,
  title: 'a credential belongs to the customer of its subscription',
  find: () => sql`
    SELECT s.customer_id, k.id, s.id AS subscription_id, k.customer_id AS other_id
    FROM credential k JOIN subscription s ON s.id = k.subscription_id
    WHERE k.customer_id <> s.customer_id`,
  rows: ({ id, subscription_id }) => ({ credential: [id], subscription: [subscription_id] }),
  describe: ({ id, subscription_id, customer_id, other_id }) =>
    `subscription ${subscription_id} belongs to customer row ${customer_id}, its credential ${id} to customer row ${other_id}`,
});

const periodInItsCurrency = defineCheck<{ customer_id: bigint; id: bigint; paid_in: string }>({
  id: 'period-in-its-currency',
  promise: null,
  title: "a period is in its customer's currency",
  find: () => sql`
    SELECT p.customer_id, p.id, p.currency AS paid_in
    FROM period p JOIN customer c ON c.id = p.customer_id
    WHERE p.currency <> c.currency`,
  rows: ({ id }) => ({ period: [id] }),
  describe: ({ id, paid_in, currency }) =>
    `period ${id} is in ${paid_in}, the currency of the customer is ${currency}`,
});

export const impossibleAccessChecks = [
  oneLiveCredential,
  retiredAfterIssue,
  periodOfItsCustomer,
  credentialOfItsCustomer,
  periodInItsCurrency,
];
