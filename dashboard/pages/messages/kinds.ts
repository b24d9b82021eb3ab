import type { paths } from '../../api/schema.d.ts';

type NoticeQuery = NonNullable<paths['/v1/notices']['get']['parameters']['query']>;
export type NoticeKind = NonNullable<NoticeQuery['kind']>;
export type NoticeState = NonNullable<NoticeQuery['state']>;

/** Each kind, and its reader. A kind that the API adds does not compile before it is here. */
const readers: Readonly<Record<NoticeKind, 'customer' | 'admins'>> = {
  receipt: 'customer',
  low_balance: 'customer',
  renewal_ahead: 'customer',
  ends_3d: 'customer',
  ends_24h: 'customer',
  ends_3h: 'customer',
  expired: 'customer',
  price_change: 'customer',
  price_withdrawn: 'customer',
  trial_6h: 'customer',
  trial_48h: 'customer',
  trial_ending: 'customer',
  trial_ended: 'customer',
  grant: 'customer',
  grant_taken_back: 'customer',
  refund: 'customer',
  revoke: 'customer',
  restored: 'customer',
  announcement: 'customer',
  alarm_worker: 'admins',
  alarm_overdue: 'admins',
  alarm_lock: 'admins',
  alarm_guard: 'admins',
  alarm_money_guard: 'admins',
  alarm_quarantine: 'admins',
  alarm_removal: 'admins',
  alarm_node: 'admins',
  alarm_clock: 'admins',
  alarm_channel: 'admins',
  alarm_notice: 'admins',
  alarm_over: 'admins',
};

export const noticeKinds = Object.keys(readers) as readonly NoticeKind[];

export const noticeStates = [
  'pending',
  'sending',
  'sent',
  'uncertain',
  'suppressed',
  'failed',
] as const satisfies readonly NoticeState[];
