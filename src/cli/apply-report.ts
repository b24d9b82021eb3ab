import { type ImpactOfSteps, impactOfSteps, unconfirmedMax } from '../catalog/access-impact.ts';
import { readAccessState } from '../catalog/access-state.ts';
import { difference, inWords, type Step } from '../catalog/difference.ts';
import { readWithdrawals, withdrawalText } from '../catalog/withdrawn.ts';
import type { Config } from '../config.ts';
import type { Db, Tx } from '../db/connect.ts';
import type { Instant } from '../kernel/instant.ts';

// What `apply` shows before it changes anything: each step with the number of running subscriptions
// that lose or gain access, and the sum.

export interface Change {
  readonly now: Instant;
  readonly steps: readonly Step[];
  readonly impact: ImpactOfSteps;
  /** Subscriptions that renew by a plan or a price that goes. */
  readonly affected: Awaited<ReturnType<typeof readWithdrawals>>;
}

/** @throws UsageFault for a file that contradicts itself or the database */
export async function readChange(db: Db | Tx, wanted: Config, now: Instant): Promise<Change> {
  const steps = await difference(db, wanted, now);
  const impact = impactOfSteps(await readAccessState(db, now), steps);
  return { now, steps, impact, affected: await readWithdrawals(db, steps) };
}

/** Lines that end with a line feed; empty if there is nothing to show. */
export function changeText({ steps, impact, affected }: Change): string {
  const { sum, running } = impact;
  const lines = steps.map((step, at) => {
    const { lose, gain } = impact.each[at] ?? { lose: 0, gain: 0 };
    return `${inWords(step)}${lose + gain === 0 ? '' : ` (${accessText(lose, gain)})`}`;
  });
  lines.push(...affected.map(withdrawalText));
  if (sum.lose + sum.gain > 0) {
    lines.push(`all changes: ${accessText(sum.lose, sum.gain)} (of ${running})`);
  }
  if (sum.lose > unconfirmedMax(running)) {
    lines.push(`this change needs --confirm-removals ${sum.lose}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

const accessText = (lose: number, gain: number): string =>
  `running subscriptions that lose access: ${lose}, that gain access: ${gain}`;

export function changeJson(
  { steps, impact, affected }: Change,
  changed: number,
  warnings: readonly string[],
) {
  return {
    changed,
    steps: steps.map(inWords),
    affected,
    access: steps.map((step, at) => ({
      step: inWords(step),
      lose_access: impact.each[at]?.lose ?? 0,
      gain_access: impact.each[at]?.gain ?? 0,
    })),
    lose_access: impact.sum.lose,
    gain_access: impact.sum.gain,
    running_subscriptions: impact.running,
    needs_confirmation: impact.sum.lose > unconfirmedMax(impact.running),
    warnings,
  };
}
