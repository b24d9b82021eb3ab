import { sql } from 'kysely';
import { withMarkingJobs } from '../access/marking-jobs.ts';
import type { Tx } from '../db/connect.ts';
import { refused, unreachable } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { recordEvents, toDetailJson } from '../subscription/store/events.ts';
import { writePriceReview } from '../subscription/store/price-reviews.ts';
import { retryAfterPriceChange } from '../subscription/store/retry-now.ts';
import { type CatalogStep, describeStep, nameInUseFault } from './diff.ts';

/**
 * Makes the books like the file: all steps or none, each a line of the timeline. Who may connect
 * where is marked after the commit (`finishMarking`), and so are reminders (`finishPriceReviews`).
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

/** The audit recomputes the discounts of earlier charges with it. */
const discountsBefore = (step: CatalogStep) =>
  step.do === 'set-rule' && step.key === 'discounts' ? { before: step.before } : {};

/**
 * Whoever marks credentials on every node has seen the new one or has not. One who did not and
 * commits after its keeper filled it would be missing there: he is waited for, and who marks from
 * here on waits for us and reads the nodes then.
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

/** Held against a keeper that sees its node for the first time now: he reads the name after us. */
async function nameInstallation(
  tx: Tx,
  { name, before }: Extract<CatalogStep, { do: 'name-installation' }>,
): Promise<void> {
  await sql`SELECT FROM perennial.node ORDER BY id FOR NO KEY UPDATE`.execute(tx);
  const { numAffectedRows } = await sql`
    UPDATE perennial.installation SET name = ${name}
    WHERE NOT EXISTS (SELECT FROM perennial.node WHERE boot_at IS NOT NULL)`.execute(tx);
  if (numAffectedRows === 0n) throw nameInUseFault(before, name);
}

export interface NewPrice {
  readonly plan: string;
  readonly periodDays: number;
  readonly currency: string;
  /** null withdraws it. */
  readonly amountMinor: bigint | null;
}

/**
 * A price that counts from `validFrom` on; what was charged before stays as it was charged. Call
 * `finishPriceReviews` after the commit.
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
      `there is no plan "${price.plan}"; "perennial plan list" shows those there are`,
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
  // What was confirmed of names at the old address says nothing of another one.
  await sql`
    DELETE FROM perennial.stray x USING perennial.node n
    WHERE n.id = ${node.id} AND x.node_id = n.id AND n.api <> ${node.api}`.execute(tx);
  await sql`
    INSERT INTO perennial.node AS n (id, api, tls, inbounds, groups, link, down_since)
    VALUES (${node.id}, ${node.api}, ${JSON.stringify(node.tls)}::jsonb, ${node.inbounds},
      ${node.groups}, ${JSON.stringify(node.link)}::jsonb, perennial.clock())
    ON CONFLICT (id) DO UPDATE SET api = excluded.api, tls = excluded.tls,
      inbounds = excluded.inbounds, groups = excluded.groups, link = excluded.link,
      -- Whoever is on an inbound that isn't named any more has to be taken off there.
      former_inbounds = ARRAY(
        SELECT DISTINCT tag FROM unnest(n.former_inbounds || n.inbounds) tag
        WHERE tag <> ALL (excluded.inbounds) ORDER BY tag),
      link_error = NULL,
      -- At another address it may be another machine in the place of one that is gone: it is filled.
      -- What is known of its life stays: it tells whether it was started, and that it has our users.
      seeded_boot_at = CASE WHEN n.api = excluded.api THEN n.seeded_boot_at END,
      seed_after = CASE WHEN n.api = excluded.api THEN n.seed_after END,
      seed_marked = CASE WHEN n.api = excluded.api THEN n.seed_marked ELSE 0 END`.execute(tx);
}
