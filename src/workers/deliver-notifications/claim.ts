import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { readClockReading } from '../../db/trusted-time.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { Channel, Message } from '../../notify/channels/channel.ts';
import { readFacts } from '../../notify/facts.ts';
import { judge } from '../../notify/judging.ts';
import { type Kind, kinds, type NoticeKind, type Policy } from '../../notify/kinds.ts';
import type { Texts } from '../../notify/texts.ts';
import type { OutlookCache } from '../../subscription/outlook-cache.ts';
import { release } from '../quarantine.ts';
import { type CourierPost, postLost, readCourier } from './post.ts';
import * as store from './store.ts';
import { asideName } from './store.ts';

// A notice is judged in the transaction that marks it `sending`, under its customer's lock and by
// facts read after that: whatever committed before is seen, and whatever comes after it finds the
// notice on its way (promise 7).

export const worker = 'deliver-notifications';

/** By what is delivered, and in which words. */
export interface Delivery {
  /** All there are: an alarm goes by each that has admins. */
  readonly channels: readonly Channel[];
  readonly texts: Texts;
  /** In which language and by whose clock the admins are told. */
  readonly admins: { readonly locale: string; readonly timeZone: string };
}

/** Where a courier works. */
export interface Desk extends Delivery {
  readonly db: Db;
  readonly channel: Channel;
  readonly post: CourierPost;
  readonly outlooks: OutlookCache;
}

export interface Claimed {
  readonly id: bigint;
  readonly customerId: store.DueNotice['customerId'];
  readonly kind: NoticeKind;
  readonly policy: Policy;
  readonly to: Kind['to'];
  readonly recipient: string;
  readonly message: Message;
  /** The number of this send. */
  readonly attempts: number;
  readonly lostAnswers: number;
  /** Sent as plain text, because the gateway refused the formatted message. */
  readonly plain: boolean;
}

export type Claim =
  | { readonly is: 'send'; readonly claimed: Claimed }
  | { readonly is: 'suppressed'; readonly reason: string }
  | { readonly is: 'waits' }
  /** It failed by itself, and is in quarantine. */
  | { readonly is: 'aside'; readonly fault: Fault }
  /** Somebody else is at it or at its customer, it isn't due any more, or nothing may be sent now. */
  | { readonly is: 'not_now' };

/** @param count counts it in the run's record, in the same transaction @throws Fault `post_lost` */
export function claim(
  desk: Desk,
  due: store.DueNotice,
  count: (tx: Tx, claim: Claim) => Promise<void>,
): Promise<Claim> {
  return inTransaction(desk.db, async (tx) => {
    const claim = await claimIn(tx, desk, due);
    if (due.wasAside && claim.is !== 'not_now') await release(tx, worker, [asideName(due.id)]);
    await count(tx, claim);
    return claim;
  });
}

async function claimIn(tx: Tx, desk: Desk, due: store.DueNotice): Promise<Claim> {
  const courier = await readCourier(tx, desk.post);
  if (courier === undefined) throw postLost(desk.post);
  const { now, restsUntil } = courier;
  if (restsUntil !== null && restsUntil > now) return { is: 'not_now' };
  // By a wrong time, a notice to a customer would be outdated for ever. Alarms go out.
  if (due.customerId !== null && (await readClockReading(tx)).trust.kind === 'suspect') {
    return { is: 'not_now' };
  }
  const notice = await store.lockNotice(tx, due, now);
  if (notice === undefined) return { is: 'not_now' };
  const read = (await readFacts(tx, [notice.id], now, desk.outlooks)).get(notice.id);
  if (read === undefined) return { is: 'not_now' };
  const verdict = judge(notice, read.facts, now);
  switch (verdict.do) {
    case 'suppress':
      await store.suppress(tx, notice.id, verdict.reason);
      return { is: 'suppressed', reason: verdict.reason };
    case 'wait':
      await store.postpone(tx, notice.id, verdict.until);
      return { is: 'waits' };
    case 'send':
  }
  const { customerId, recipient } = due;
  const { id, kind, subscriptionId } = notice;
  const { params, silent } = verdict;
  const reader = read.reader ?? desk.admins;
  const said = { kind, params, subscriptionId, planTitle: read.planTitle };
  const { plain } = notice;
  const message = { ...desk.texts.render(said, { ...reader, now }), silent, formatted: !plain };
  if (!(await store.markSending(tx, desk.post, { id, recipient, params }, now))) {
    throw postLost(desk.post);
  }
  const { policy, to } = kinds[kind];
  const attempts = notice.attempts + 1;
  const { lostAnswers } = notice;
  return {
    is: 'send',
    claimed: { id, customerId, kind, policy, to, recipient, message, attempts, lostAnswers, plain },
  };
}
