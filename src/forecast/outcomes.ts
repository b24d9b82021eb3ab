import type { SubscriptionId } from '../kernel/ids.ts';
import type { Instant } from '../kernel/instant.ts';
import type { RenewalDecision } from '../subscription/rules/renewal.ts';
import type { Settings } from '../subscription/rules/settings.ts';
import type { RunIntervals, SimulatedFacts } from './customer-state.ts';

// The input and the results of a simulation.

/** The outcome of a subscription at one end. */
export interface PlannedOutcome {
  readonly telegramId: bigint;
  readonly subscriptionId: SubscriptionId;
  readonly plan: string;
  readonly currency: string;
  readonly outcome: 'renewed' | 'short' | 'ends';
  /** The time of the run that does it. */
  readonly at: Instant;
  /** The start of the next period. */
  readonly startsAt: Instant;
  /** Of a renewal its charge, of a short one the charge that fails; null: it only ends. */
  readonly amountMinor: bigint | null;
}

export interface SimulationRules {
  readonly now: Instant;
  /** Runs before this time count. */
  readonly until: Instant;
  readonly settings: Settings;
  readonly intervals: RunIntervals;
}

/** The first attempt of a charge, also if the balance is too low. */
export interface PlannedCharge {
  /** When the charge becomes due. */
  readonly at: Instant;
  readonly currency: string;
  /** 0 without a price. */
  readonly amountMinor: bigint;
}

/** Receives the results of a simulation. */
export interface SimulationReport {
  outcome(outcome: PlannedOutcome): void;
  charge?(charge: PlannedCharge): void;
}

/** The notifications of the customer, which make amounts known. */
export interface SimulatedNotices {
  /** The next run of reminders, or the next send; `never` if there is none. */
  computeNextAt(after: Instant): Instant;
  runAt(now: Instant): void;
  addLowBalance(facts: SimulatedFacts, decision: LowBalance, now: Instant): void;
}

export type LowBalance = Extract<RenewalDecision, { do: 'wait-for-money' }>;
