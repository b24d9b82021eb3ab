import type { CustomerNode } from '../catalog/customer-nodes.ts';
import type { JsonObject } from '../db/schema.ts';
import type { Portrait, SubscriptionPortrait } from '../subscription/portrait.ts';
import { table } from './frame.ts';

/** `customer show` for a person. Times are UTC, to the minute. */
export function portraitText(portrait: Portrait): string {
  const { customer } = portrait;
  const { currency } = customer;
  const traits = [
    customer.vip === true ? 'VIP' : undefined,
    Number(customer.discount_percent) > 0 ? `${customer.discount_percent}% discount` : undefined,
    customer.reachable === false ? 'not reachable' : undefined,
    customer.trial_used_at === null ? undefined : 'trial used',
  ].filter((trait) => trait !== undefined);
  return [
    `customer ${customer.telegram_id}  ${customer.locale}, ${customer.time_zone}${traits.map((t) => `, ${t}`).join('')}`,
    `balance ${customer.balance} ${currency}`,
    Number(customer.claim) > 0
      ? `claim ${customer.claim} ${currency}, paid by the next top-ups`
      : '',
    ...portrait.subscriptions.map((one) => subscriptionText(one, currency)),
    portrait.subscriptions.length < portrait.subscriptions_total
      ? `\nshown: ${portrait.subscriptions.length} of ${portrait.subscriptions_total} subscriptions`
      : '',
    section('ledger', portrait.ledger, (row) => [
      minute(row.created_at),
      text(row.kind),
      `${text(row.amount)} ${currency}`,
      `balance ${text(row.balance_after)}`,
    ]),
    section('notices', portrait.notices, (row) => [
      minute(row.created_at),
      text(row.kind),
      text(row.state),
    ]),
    section('timeline', portrait.events, (row) => [
      minute(row.at),
      text(row.action),
      text(row.subject),
      `by ${text(row.actor)}`,
    ]),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** Nodes that are down or still have to be changed; empty if there is none. */
export function customerNodesText(nodes: readonly CustomerNode[]): string[] {
  const lines = nodes
    .filter(({ down_since, waits_for }) => down_since !== null || waits_for !== null)
    .map(({ subscription_id, node, down_since, waits_for }) => {
      const down = down_since === null ? [] : [`down since ${minute(down_since)}`];
      const waits =
        waits_for === null ? [] : [`subscription ${subscription_id} waits for its ${waits_for}`];
      return `${node}: ${[...down, ...waits].join(', ')}`;
    });
  return lines.length === 0 ? [] : [`nodes\n${[...new Set(lines)].join('\n')}`];
}

const text = (value: unknown): string => String(value ?? '-');
const minute = (value: unknown): string => text(value).slice(0, 16).replace('T', ' ');

const whyNotList = {
  discount: 'with the discount',
  known_price: 'no notification of a higher amount was sent in time',
} as const;

function nextRenewalText(next: SubscriptionPortrait['next_renewal'], currency: string): string[] {
  if (next === null) return [];
  if (next.reason === 'no_price') return ['  next renewal: not possible, no price'];
  const why =
    next.reason === null
      ? ''
      : `; list price ${next.list_amount} ${currency}, ${whyNotList[next.reason]}`;
  return [`  next renewal ${next.amount} ${currency}, from ${minute(next.at)}${why}`];
}

function subscriptionText(one: SubscriptionPortrait, currency: string): string {
  const renewal = one.auto_renew ? 'auto-renew on' : 'auto-renew off';
  const next = one.next_plan === null ? '' : `, then ${one.next_plan} ${one.next_period_days} d`;
  const head = `\nsubscription ${one.id}  ${one.kind} ${one.plan} ${one.period_days} d, ${one.state}, until ${minute(one.expires_at)}, ${renewal}${next}`;
  const credential = `  credential ${one.credential ?? 'none'}`;
  const periods = table(
    one.periods.map((row) => [
      `  period ${row.id}`,
      row.source,
      row.plan,
      `${minute(row.starts_at)} - ${minute(row.ends_at)}`,
      row.amount,
      stateOf(row),
    ]),
    [4],
  );
  return [head, ...nextRenewalText(one.next_renewal, currency), credential, periods].join('\n');
}

/** What became of a period since it was sold. */
function stateOf(row: SubscriptionPortrait['periods'][number]): string {
  const { refunded_at, part_of, moved_from, source } = row;
  if (part_of !== null) return `served part of period ${part_of}`;
  const moved = moved_from === null ? '' : `moved, sold from ${minute(moved_from)}`;
  if (refunded_at === null) return moved;
  return `${source === 'grant' ? 'taken back' : 'refunded'} ${minute(refunded_at)}`;
}

function section(
  title: string,
  rows: readonly JsonObject[],
  cells: (row: JsonObject) => string[],
): string {
  if (rows.length === 0) return '';
  return `\n${title}, the latest first\n${table(rows.map((row) => ['', ...cells(row)]))}`;
}
