import type { CustomerNode } from '../../access/customer-nodes.ts';
import type { JsonObject } from '../../db/schema.ts';
import type { CustomerView } from '../../subscription/queries/customer-view.ts';
import type { SubscriptionDetails } from '../../subscription/queries/subscription-details.ts';
import { formatTable } from '../command.ts';
import { formatMinute } from './time-text.ts';

/** `customer show` for a person. Times are in UTC, to the minute. */
export function formatCustomerView(view: CustomerView): string {
  const { customer } = view;
  const { currency } = customer;
  const traits = [
    customer.vip === true ? 'VIP' : undefined,
    Number(customer.discount_percent) > 0 ? `${customer.discount_percent}% discount` : undefined,
    customer.reachable === false ? 'unreachable' : undefined,
    customer.trial_used_at === null ? undefined : 'trial used',
    customer.blocked_reason === null ? undefined : `blocked: ${customer.blocked_reason}`,
  ].filter((trait) => trait !== undefined);
  return [
    `customer ${customer.telegram_id}  ${customer.locale}, ${customer.time_zone}${traits.map((t) => `, ${t}`).join('')}`,
    `balance ${customer.balance} ${currency}`,
    Number(customer.claim) > 0
      ? `claim ${customer.claim} ${currency}, paid by the next top-ups`
      : '',
    ...view.subscriptions.map((subscription) => formatSubscription(subscription, currency)),
    view.subscriptions.length < view.subscriptions_total
      ? `\nshown: ${view.subscriptions.length} of ${view.subscriptions_total} subscriptions`
      : '',
    formatSection('ledger', view.ledger, (row) => [
      formatMinute(row.created_at),
      toText(row.kind),
      `${toText(row.amount)} ${currency}`,
      `balance ${toText(row.balance_after)}`,
    ]),
    formatSection('notices', view.notices, (row) => [
      formatMinute(row.created_at),
      toText(row.kind),
      toText(row.state),
    ]),
    formatSection('timeline', view.events, (row) => [
      formatMinute(row.at),
      toText(row.action),
      toText(row.subject),
      `by ${toText(row.actor)}`,
    ]),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** Nodes that are down or have a pending change. */
export function formatCustomerNodes(nodes: readonly CustomerNode[]): string[] {
  const lines = nodes
    .filter(({ down_since, waits_for }) => down_since !== null || waits_for !== null)
    .map(({ subscription_id, node, down_since, waits_for }) => {
      const down = down_since === null ? [] : [`down since ${formatMinute(down_since)}`];
      const waits =
        waits_for === null ? [] : [`subscription ${subscription_id}: ${waits_for} pending`];
      return `${node}: ${[...down, ...waits].join(', ')}`;
    });
  return lines.length === 0 ? [] : [`nodes\n${[...new Set(lines)].join('\n')}`];
}

const toText = (value: unknown): string => String(value ?? '-');

const priceReasons = {
  discount: 'with the discount',
  known_price: 'no notification of a higher amount was sent in time',
} as const;

function formatNextRenewal(next: SubscriptionDetails['next_renewal'], currency: string): string[] {
  if (next === null) return [];
  if (next.reason === 'no_price') return ['  next renewal: not possible, no price'];
  const reason =
    next.reason === null
      ? ''
      : `; list price ${next.list_amount} ${currency}, ${priceReasons[next.reason]}`;
  return [`  next renewal ${next.amount} ${currency}, from ${formatMinute(next.at)}${reason}`];
}

function formatSubscription(subscription: SubscriptionDetails, currency: string): string {
  const renewal = subscription.auto_renew ? 'auto-renew on' : 'auto-renew off';
  const next =
    subscription.next_plan === null
      ? ''
      : `, then ${subscription.next_plan} ${subscription.next_period_days} d`;
  const head = `\nsubscription ${subscription.id}  ${subscription.kind} ${subscription.plan} ${subscription.period_days} d, ${subscription.state}, until ${formatMinute(subscription.expires_at)}, ${renewal}${next}`;
  const credential = `  credential ${subscription.credential ?? 'none'}`;
  const periods = formatTable(
    subscription.periods.map((row) => [
      `  period ${row.id}`,
      row.source,
      row.plan,
      `${formatMinute(row.starts_at)} - ${formatMinute(row.ends_at)}`,
      row.amount,
      formatPeriodState(row),
    ]),
    [4],
  );
  return [
    head,
    ...formatNextRenewal(subscription.next_renewal, currency),
    `  next charge: ${subscription.next_charge.reason.sentence}`,
    credential,
    periods,
  ].join('\n');
}

/** Changes of a period after its sale. */
function formatPeriodState(row: SubscriptionDetails['periods'][number]): string {
  const { refunded_at, part_of, moved_from, source } = row;
  if (part_of !== null) return `served part of period ${part_of}`;
  const moved = moved_from === null ? '' : `moved, sold from ${formatMinute(moved_from)}`;
  if (refunded_at === null) return moved;
  return `${source === 'grant' ? 'taken back' : 'refunded'} ${formatMinute(refunded_at)}`;
}

function formatSection(
  title: string,
  rows: readonly JsonObject[],
  cells: (row: JsonObject) => string[],
): string {
  if (rows.length === 0) return '';
  return `\n${title}, the latest first\n${formatTable(rows.map((row) => ['', ...cells(row)]))}`;
}
