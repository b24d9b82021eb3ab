// Every message there is: to whom, how sure it has to arrive, when it may, and what its text is
// told. Stored with the change that it tells of (`outbox.ts`), judged again when it is sent
// (DESIGN.md 5, "deliver-notifications").

/**
 * What becomes of a send whose answer was lost, since Telegram has no idempotency key.
 * at_least_once: sent again, so that it arrives, and may arrive twice. at_most_once: not sent again,
 * so that it doesn't nag, and may be missing; the row stays `uncertain`.
 */
export type Policy = 'at_least_once' | 'at_most_once';

export interface Kind {
  readonly to: 'customer' | 'admins';
  readonly policy: Policy;
  /** Waits for the morning in the customer's zone: 23-9 h are quiet. */
  readonly quiet: boolean;
  /** Names of the values that its text is told; money in major units, times in ISO 8601. */
  readonly params: readonly string[];
}

const toCustomer = { to: 'customer', policy: 'at_least_once', quiet: false } as const;
const reminder = { to: 'customer', policy: 'at_most_once', quiet: true } as const;
const alarm = { to: 'admins', policy: 'at_least_once', quiet: false } as const;

export const kinds = {
  receipt: {
    ...toCustomer,
    params: ['amount', 'currency', 'plan', 'period_days', 'starts_at', 'ends_at', 'balance_after'],
  },
  low_balance: {
    ...toCustomer,
    params: ['price', 'missing', 'currency', 'plan', 'period_days', 'expires_at'],
  },
  expired: { ...toCustomer, params: ['plan', 'expires_at'] },
  trial_ended: { ...toCustomer, params: ['plan', 'expires_at'] },
  refund: { ...toCustomer, params: ['amount', 'currency', 'plan', 'balance_after'] },
  grant: { ...toCustomer, params: ['plan', 'days', 'ends_at'] },
  revoke: { ...toCustomer, params: ['plan'] },
  trial_6h: { ...reminder, params: ['plan', 'expires_at'] },
  trial_48h: { ...reminder, params: ['plan', 'expires_at'] },
  trial_ending: { ...reminder, params: ['plan', 'expires_at'] },
  ends_3d: { ...reminder, params: ['plan', 'expires_at'] },
  ends_24h: { ...reminder, params: ['plan', 'expires_at'] },
  ends_3h: { ...reminder, params: ['plan', 'expires_at'] },
  price_change: {
    ...reminder,
    params: ['plan', 'period_days', 'currency', 'price', 'new_price', 'expires_at'],
  },
  alarm_worker: { ...alarm, params: ['worker', 'failures', 'error'] },
  alarm_guard: { ...alarm, params: ['worker', 'held'] },
  alarm_quarantine: { ...alarm, params: ['worker', 'reason', 'item', 'sentence'] },
  alarm_removal: { ...alarm, params: ['node', 'waiting', 'oldest_at'] },
  alarm_clock: { ...alarm, params: ['replica', 'skew_s'] },
  /** What an alarm told is over. */
  alarm_over: { ...alarm, params: ['alarm', 'subject'] },
} as const satisfies Readonly<Record<string, Kind>>;

export type NoticeKind = keyof typeof kinds;
