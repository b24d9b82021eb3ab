import type { ItemOf } from '../../api/client.ts';

// The rows of a history, grouped into moments. Rows of one transaction have the same time.

export type HistoryItem = ItemOf<'/v1/customers/{telegram_id}/history'>;

type OfKind<Kind extends HistoryItem['kind']> = Extract<HistoryItem, { kind: Kind }>;
export type HistoryEvent = OfKind<'event'>['event'];
export type LedgerEntry = OfKind<'ledger'>['entry'];
export type Notice = OfKind<'notice'>['notice'];

export interface Moment {
  readonly at: string;
  readonly events: readonly HistoryEvent[];
  readonly entries: readonly LedgerEntry[];
  readonly notices: readonly Notice[];
}

/** @param items neighbours with the same time become one moment */
export function groupMoments(items: readonly HistoryItem[]): Moment[] {
  const groups: HistoryItem[][] = [];
  for (const item of items) {
    const last = groups.at(-1);
    if (last?.[0]?.at === item.at) last.push(item);
    else groups.push([item]);
  }
  return groups.map((group) => ({
    at: group[0]?.at ?? '',
    events: group.flatMap((item) => (item.kind === 'event' ? [item.event] : [])),
    entries: group.flatMap((item) => (item.kind === 'ledger' ? [item.entry] : [])),
    notices: group.flatMap((item) => (item.kind === 'notice' ? [item.notice] : [])),
  }));
}

export type Effect = 'gain' | 'loss' | 'money' | 'notice' | 'other';

const gains: ReadonlySet<string> = new Set([
  'purchased',
  'renewed',
  'revived',
  'granted',
  'trial_started',
  'restored',
  'unblocked',
]);
const losses: ReadonlySet<string> = new Set([
  'expired',
  'revoked',
  'blocked',
  'grant_taken_back',
  'refunded',
  'charged_back',
]);

/** The effect on the access of the customer, else the kind of the moment. */
export function toEffect({ events, entries, notices }: Moment): Effect {
  // A change of plan refunds the old period and buys a new one: the access goes on.
  if (events.some(({ action }) => gains.has(action))) return 'gain';
  if (events.some(({ action }) => losses.has(action))) return 'loss';
  if (entries.length > 0) return 'money';
  return events.length === 0 && notices.length > 0 ? 'notice' : 'other';
}
