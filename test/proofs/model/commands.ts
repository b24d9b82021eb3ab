import type { Customer } from '../../support/customer-model.ts';
import type { PriceFrom } from './prices.ts';

/** A subscription by its index, the default one, or a new one. */
export type SubscriptionChoice = number | 'default' | 'new';

/** A command with indexes instead of ids. */
export type Command =
  | { readonly do: 'set'; readonly vip?: boolean; readonly discount?: number }
  | { readonly do: 'top-up'; readonly amount: number; readonly payment?: string }
  | { readonly do: 'adjust'; readonly amount: number }
  | {
      readonly do: 'purchase';
      readonly plan: string;
      readonly days: number;
      readonly sub: SubscriptionChoice;
      readonly autoRenew?: boolean;
      /** A payment that is credited in the same transaction. */
      readonly pay?: { readonly amount: number; readonly payment: string };
    }
  /** Reverses a payment of the customer. */
  | { readonly do: 'chargeback'; readonly payment: string; readonly dispute: string }
  /** The two sides of a payment that moves to another customer. */
  | { readonly do: 'move-out'; readonly payment: string; readonly withClaim: boolean }
  | { readonly do: 'move-in'; readonly payment: string; readonly amount: number }
  /** Set-up: a message was sent that names this price of the next renewal. */
  | { readonly do: 'notify'; readonly sub: number; readonly amount: number }
  | {
      readonly do: 'change-plan';
      readonly plan: string;
      readonly days: number;
      readonly sub: SubscriptionChoice;
      readonly when: 'next' | 'now';
      readonly forfeit: boolean;
    }
  | {
      readonly do: 'refund';
      readonly period: number;
      readonly part: 'whole' | 'unused';
      readonly keepAutoRenew: boolean;
      readonly payout: boolean;
    }
  | {
      readonly do: 'grant';
      readonly days: number;
      readonly sub: SubscriptionChoice;
      readonly plan: string;
    }
  | {
      readonly do: 'revoke';
      readonly sub: SubscriptionChoice;
      readonly refund?: 'whole' | 'unused';
    }
  | { readonly do: 'reissue'; readonly sub: SubscriptionChoice }
  | { readonly do: 'auto-renew'; readonly sub: SubscriptionChoice; readonly on: boolean }
  | { readonly do: 'trial' }
  | { readonly do: 'block' | 'unblock' }
  /** Set-up: expires subscriptions past their end that cannot or will not be renewed. */
  | { readonly do: 'expire' };

/** The answer of a command: its values, or every allowed reason for a refusal. */
export type CommandAnswer =
  | { readonly ok: Readonly<Record<string, unknown>> }
  | { readonly refused: readonly string[] };

/** The facts of a command besides the state of the customer. */
export interface CommandContext {
  readonly now: number;
  readonly prices: readonly PriceFrom[];
}

/** The state after a command, and its answer. A refused command leaves the state unchanged. */
export interface CommandEffect {
  readonly customer: Customer;
  readonly answer: CommandAnswer;
}

export const toIso = (at: number): string => new Date(at).toISOString();
