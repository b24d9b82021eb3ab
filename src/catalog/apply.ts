import { sql } from 'kysely';
import { withMarkingJobs } from '../access/marking-jobs.ts';
import type { Tx } from '../db/connect.ts';
import { refused, unreachable } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { recordEvents, toDetailJson } from '../subscription/store/events.ts';
import { writePriceReview } from '../subscription/store/price-reviews.ts';
import { retryAfterPriceChange } from '../subscription/store/retry-now.ts';
import { type CatalogStep, createNameInUseFault, describeStep } from './diff.ts';

/**
 * Makes all changes or none, each with an event in the timeline. Call `runMarkingJobs` and
 * `runPriceReviews` after the commit.
 */
export async function applySteps(
  tx: Tx,
  steps: readonly CatalogStep[],
  actor: string,
  now: Instant,
): Promise<void> {
  await withMarkingJobs(tx, now, async () => {
    if (steps.some((step) => step.do === 'add-node')) await lockMarks(tx);
    for (const step of steps) await applyStep(tx, step, now);
  });
  const events = steps.map((step) => ({
    customerId: null,
    subject: 'catalog',
    action: step.do.replace('-', '_'),
    detail: { step: describeStep(step), ...discountsBefore(step) },
  }));
  await recordEvents(tx, events, actor, now);
}

/** The audit recomputes the discounts of earlier charges from this value. */
const discountsBefore = (step: CatalogStep) =>
  step.do === 'set-rule' && step.key === 'discounts' ? { before: step.before } : {};

/**
 * Excludes transactions that mark credentials on every node. One that read the nodes before this
 * change, and commits after the keeper seeded the new node, would lack its mark there. The lock
 * waits for such transactions. Later ones wait for this commit and read the new node.
 */
async function lockMarks(tx: Tx): Promise<void> {
  await sql`LOCK TABLE perennial.access_sync IN SHARE ROW EXCLUSIVE MODE`.execute(tx);
}

async function applyStep(tx: Tx, step: CatalogStep, now: Instant): Promise<void> {
  switch (step.do) {
    case 'add-plan':
    case 'change-plan':
      await sql`
        INSERT INTO perennial.plan (key, title, groups)
        VALUES (${step.plan}, ${JSON.stringify(step.title)}::jsonb, ${step.groups})
        ON CONFLICT (key) DO UPDATE SET title = excluded.title, groups = excluded.groups`.execute(
        tx,
      );
      return;
    case 'retire-plan':
      await sql`UPDATE perennial.plan SET retired_at = ${isoTime(now)} WHERE key = ${step.plan}`.execute(
        tx,
      );
      return;
    case 'revive-plan':
      await sql`UPDATE perennial.plan SET retired_at = NULL WHERE key = ${step.plan}`.execute(tx);
      return;
    case 'set-price':
      await setPrice(tx, step, now, now);
      return;
    case 'set-rule':
      await sql`
        INSERT INTO perennial.setting (key, value)
        VALUES (${step.key}, ${toDetailJson(step.value)}::jsonb)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value`.execute(tx);
      if (!['trial', 'feed'].includes(step.key)) await writePriceReview(tx, {}, now);
      return;
    case 'add-node':
    case 'change-node':
      await setNode(tx, step);
      return;
    case 'name-installation':
      await nameInstallation(tx, step);
      return;
    default:
      unreachable(step);
  }
}

/** Locks the nodes, so that a new keeper reads the new name. */
async function nameInstallation(
  tx: Tx,
  { name, before }: Extract<CatalogStep, { do: 'name-installation' }>,
): Promise<void> {
  await sql`SELECT FROM perennial.node ORDER BY id FOR NO KEY UPDATE`.execute(tx);
  const { numAffectedRows } = await sql`
    UPDATE perennial.installation SET name = ${name}
    WHERE NOT EXISTS (SELECT FROM perennial.node WHERE boot_at IS NOT NULL)`.execute(tx);
  if (numAffectedRows === 0n) throw createNameInUseFault(before, name);
}

export interface NewPrice {
  readonly plan: string;
  readonly periodDays: number;
  readonly currency: string;
  /** Null withdraws the price. */
  readonly amountMinor: bigint | null;
}

/**
 * Sets a price that counts from `validFrom` on. Earlier charges stay. Call `runPriceReviews` after
 * the commit. @throws Fault `no_plan`
 */
export async function setPrice(
  tx: Tx,
  price: NewPrice,
  validFrom: Instant,
  now: Instant,
): Promise<void> {
  const { numAffectedRows } = await sql`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    SELECT p.key, ${price.periodDays}::int, ${price.currency}, ${isoTime(validFrom)}::timestamptz,
      ${price.amountMinor}::bigint
    FROM perennial.plan p WHERE p.key = ${price.plan}
    ON CONFLICT (plan, period_days, currency, valid_from)
      DO UPDATE SET amount_minor = excluded.amount_minor`.execute(tx);
  if (numAffectedRows === 0n) {
    throw refused(
      'no_plan',
      `PLAN: "${price.plan}" is not a plan; list them with "perennial plan list"`,
    );
  }
  const { plan, periodDays, currency } = price;
  await writePriceReview(tx, { plan, periodDays, currency }, now);
  if (price.amountMinor !== null) await retryAfterPriceChange(tx, plan, validFrom, now);
}

async function setNode(
  tx: Tx,
  { node }: Extract<CatalogStep, { do: 'add-node' | 'change-node' }>,
): Promise<void> {
  // A confirmed stray user of the old address has no meaning at another address.
  await sql`
    DELETE FROM perennial.stray x USING perennial.node n
    WHERE n.id = ${node.id} AND x.node_id = n.id AND n.api <> ${node.api}`.execute(tx);
  await sql`
    INSERT INTO perennial.node AS n (id, api, tls, inbounds, groups, link, down_since)
    VALUES (${node.id}, ${node.api}, ${JSON.stringify(node.tls)}::jsonb, ${node.inbounds},
      ${node.groups}, ${JSON.stringify(node.link)}::jsonb, perennial.clock())
    ON CONFLICT (id) DO UPDATE SET api = excluded.api, tls = excluded.tls,
      inbounds = excluded.inbounds, groups = excluded.groups, link = excluded.link,
      -- The keeper removes our users from inbounds that are no longer listed.
      former_inbounds = ARRAY(
        SELECT DISTINCT tag FROM unnest(n.former_inbounds || n.inbounds) tag
        WHERE tag <> ALL (excluded.inbounds) ORDER BY tag),
      link_error = NULL,
      -- Another address may be another machine, so the node is seeded again. The known boot stays: it
      -- shows a restart, and that the node has our users.
      seeded_boot_at = CASE WHEN n.api = excluded.api THEN n.seeded_boot_at END,
      seed_after = CASE WHEN n.api = excluded.api THEN n.seed_after END,
      seed_marked = CASE WHEN n.api = excluded.api THEN n.seed_marked ELSE 0 END`.execute(tx);
}
