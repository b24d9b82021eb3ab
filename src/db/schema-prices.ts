import type { Generated, GeneratedAlways } from 'kysely';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import type { MaybeTime, Time } from './columns.ts';

// Tables of prices, and of the amounts that customers were notified of.

export type KnownPriceSource = 'message' | 'choice' | 'terms';

export interface PlanPriceTable {
  plan: string;
  period_days: number;
  currency: string;
  valid_from: Time;
  amount_minor: bigint | null;
}

export interface KnownPriceTable {
  id: GeneratedAlways<bigint>;
  customer_id: CustomerId;
  subscription_id: SubscriptionId;
  plan: string;
  period_days: number;
  amount_minor: bigint;
  source: KnownPriceSource;
  known_at: Time;
}

export interface PriceReviewTable {
  id: GeneratedAlways<bigint>;
  plan: string | null;
  period_days: number | null;
  currency: string | null;
  after_at: MaybeTime;
  after_id: Generated<SubscriptionId | null>;
  missed: Generated<string>;
  ordered_at: Time;
}

export interface ChargeForecastTable {
  at: Time;
  currency: string;
  charges: bigint;
  amount_minor: bigint;
}
