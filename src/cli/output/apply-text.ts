import {
  computeStepsImpact,
  computeUnconfirmedMax,
  type StepsImpact,
} from '../../catalog/access-impact.ts';
import { readAccessState } from '../../catalog/access-state.ts';
import { type CatalogStep, describeStep, diffCatalog } from '../../catalog/diff.ts';
import { formatWithdrawal, readWithdrawals } from '../../catalog/withdrawals.ts';
import type { Config } from '../../config/config.ts';
import type { Db, Tx } from '../../db/connect.ts';
import type { Instant } from '../../kernel/instant.ts';

// The difference that `apply` shows first: each change with its lost and gained access, and the
// sum.

export interface CatalogChange {
  readonly now: Instant;
  readonly steps: readonly CatalogStep[];
  readonly impact: StepsImpact;
  /** Subscriptions that renew by a withdrawn plan or price. */
  readonly affected: Awaited<ReturnType<typeof readWithdrawals>>;
}

/** @throws UsageFault if the file contradicts itself or the database */
export async function readCatalogChange(
  db: Db | Tx,
  config: Config,
  now: Instant,
): Promise<CatalogChange> {
  const steps = await diffCatalog(db, config, now);
  const impact = computeStepsImpact(await readAccessState(db, now), steps);
  return { now, steps, impact, affected: await readWithdrawals(db, steps) };
}

/** Lines that end with a line feed; empty if there is no change. */
export function formatChange({ steps, impact, affected }: CatalogChange): string {
  const { sum, running } = impact;
  const lines = steps.map((step, at) => {
    const { lose, gain } = impact.each[at] ?? { lose: 0, gain: 0 };
    return `${describeStep(step)}${lose + gain === 0 ? '' : ` (${formatAccess(lose, gain)})`}`;
  });
  lines.push(...affected.map(formatWithdrawal));
  if (sum.lose + sum.gain > 0) {
    lines.push(
      `all changes: ${formatAccess(sum.lose, sum.gain)} (of ${running.toLocaleString('en')})`,
    );
  }
  if (sum.lose > computeUnconfirmedMax(running)) {
    lines.push(`this change needs --confirm-removals ${sum.lose}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

const formatAccess = (lose: number, gain: number): string =>
  `running subscriptions that lose access: ${lose.toLocaleString('en')}, that gain access: ${gain.toLocaleString('en')}`;

export function toChangeJson(
  { steps, impact, affected }: CatalogChange,
  changed: number,
  warnings: readonly string[],
) {
  return {
    changed,
    steps: steps.map(describeStep),
    affected,
    access: steps.map((step, at) => ({
      step: describeStep(step),
      lose_access: impact.each[at]?.lose ?? 0,
      gain_access: impact.each[at]?.gain ?? 0,
    })),
    lose_access: impact.sum.lose,
    gain_access: impact.sum.gain,
    running_subscriptions: impact.running,
    needs_confirmation: impact.sum.lose > computeUnconfirmedMax(impact.running),
    warnings,
  };
}
