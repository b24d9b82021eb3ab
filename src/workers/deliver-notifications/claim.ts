import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { readClockReading } from '../../db/trusted-time.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { Channel, Message } from '../../notifications/channels/channel.ts';
import { checkRelevance } from '../../notifications/relevance.ts';
import { readRelevanceFacts } from '../../notifications/relevance-store.ts';
import type { Texts } from '../../notifications/texts.ts';
import {
  type DeliveryPolicy,
  type NoticeKind,
  type NoticeSpec,
  noticeSpecs,
} from '../../outbox/kinds.ts';
import { releaseQuarantined } from '../../runs/quarantine.ts';
import type { ForecastCache } from '../../subscription/store/forecast-cache.ts';
import { type CourierLease, courierLeaseLost, readCourier } from './lease.ts';
import * as store from './store.ts';
import { toNoticeItem } from './store.ts';

// The claim of a notification: one transaction checks its relevance and sets `sending`.
//
// It locks the customer first and reads the facts after that. So it sees everything that was
// committed before. A later change finds the notification in the state `sending` (promise 7).

export const deliveryWorkerName = 'deliver-notifications';

/** The channels and texts of a delivery. */
export interface Delivery {
  /** All channels. An alarm uses each channel that has admins. */
  readonly channels: readonly Channel[];
  readonly texts: Texts;
  /** The language and the time zone of the texts for admins. */
  readonly admins: { readonly locale: string; readonly timeZone: string };
}

/** The account of a courier and its lease. */
export interface CourierContext extends Delivery {
  readonly db: Db;
  readonly channel: Channel;
  readonly lease: CourierLease;
  readonly forecasts: ForecastCache;
}

export interface ClaimedNotice {
  readonly id: bigint;
  readonly customerId: store.DueNotice['customerId'];
  readonly kind: NoticeKind;
  readonly policy: DeliveryPolicy;
  readonly to: NoticeSpec['to'];
  readonly recipient: string;
  readonly message: Message;
  /** The number of this send. */
  readonly attempts: number;
  readonly lostAnswers: number;
  /** Sent as plain text, because the gateway refused the formatted message. */
  readonly plain: boolean;
}

export type Claim =
  | { readonly is: 'send'; readonly notice: ClaimedNotice }
  | { readonly is: 'suppressed'; readonly reason: string }
  | { readonly is: 'postponed' }
  /** The claim failed because of this notification, which is now in quarantine. */
  | { readonly is: 'quarantined'; readonly fault: Fault }
  /**
   * Another transaction holds the customer or the notification, it is not due any more, or a pause
   * began.
   */
  | { readonly is: 'not_now' };

/**
 * @param count counts the claim in the run record, in the same transaction
 * @throws Fault `lease_lost`
 */
export function claimNotice(
  context: CourierContext,
  due: store.DueNotice,
  count: (tx: Tx, claim: Claim) => Promise<void>,
): Promise<Claim> {
  return inTransaction(context.db, async (tx) => {
    const claim = await claimInTransaction(tx, context, due);
    if (due.wasQuarantined && claim.is !== 'not_now')
      await releaseQuarantined(tx, deliveryWorkerName, [toNoticeItem(due.id)]);
    await count(tx, claim);
    return claim;
  });
}

async function claimInTransaction(
  tx: Tx,
  context: CourierContext,
  due: store.DueNotice,
): Promise<Claim> {
  const courier = await readCourier(tx, context.lease);
  if (courier === undefined) throw courierLeaseLost(context.lease);
  const { now, restsUntil } = courier;
  if (restsUntil !== null && restsUntil > now) return { is: 'not_now' };
  // With a wrong time, a notification to a customer would be suppressed as outdated. Alarms are
  // sent.
  if (due.customerId !== null && (await readClockReading(tx)).trust.kind === 'suspect') {
    return { is: 'not_now' };
  }
  const notice = await store.lockNotice(tx, due, now);
  if (notice === undefined) return { is: 'not_now' };
  const read = (await readRelevanceFacts(tx, [notice.id], now, context.forecasts)).get(notice.id);
  if (read === undefined) return { is: 'not_now' };
  const verdict = checkRelevance(notice, read.facts, now);
  switch (verdict.do) {
    case 'suppress':
      await store.suppressNotice(tx, notice.id, verdict.reason);
      return { is: 'suppressed', reason: verdict.reason };
    case 'wait':
      await store.postponeNotice(tx, notice.id, verdict.until);
      return { is: 'postponed' };
    case 'send':
  }
  const { customerId, recipient } = due;
  const { id, kind, subscriptionId } = notice;
  const { params, silent } = verdict;
  const reader = read.reader ?? context.admins;
  const content = { kind, params, subscriptionId, planTitle: read.planTitle };
  const { plain } = notice;
  const message = {
    ...context.texts.render(content, { ...reader, now }),
    silent,
    formatted: !plain,
  };
  if (!(await store.writeSending(tx, context.lease, { id, recipient, params }, now))) {
    throw courierLeaseLost(context.lease);
  }
  const { policy, to } = noticeSpecs[kind];
  const attempts = notice.attempts + 1;
  const { lostAnswers } = notice;
  return {
    is: 'send',
    notice: { id, customerId, kind, policy, to, recipient, message, attempts, lostAnswers, plain },
  };
}
