import type { CustomerExplanation, SubscriptionExplanation } from '../../explanation/customer.ts';
import type { NoticeOverview } from '../../explanation/notices.ts';
import { formatTable } from '../command.ts';
import { formatMinute } from './time-text.ts';

/** `why` for a person. Times are in UTC. */
export function formatExplanation(explanation: CustomerExplanation): string {
  const { telegram_id, balance, claim, currency, reachable } = explanation;
  const { subscriptions, subscriptions_total: total, notices } = explanation;
  const facts = [
    `balance ${balance} ${currency}`,
    ...(Number(claim) > 0 ? [`claim ${claim} ${currency}`] : []),
    reachable ? 'reachable' : 'unreachable',
    ...(explanation.blocked_at === null ? [] : ['blocked']),
  ];
  return [
    `customer ${telegram_id}  ${facts.join(', ')}, at ${formatMinute(explanation.at)}`,
    ...(total === 0 ? ['no subscription'] : subscriptions.map(formatSubscription)),
    ...(subscriptions.length < total
      ? [`shown: ${subscriptions.length} of ${total} subscriptions`]
      : []),
    formatNotices(notices),
  ].join('\n\n');
}

function formatSubscription(subscription: SubscriptionExplanation): string {
  const { id, kind, plan, period_days, state, expires_at } = subscription;
  const { next_charge, access, overdue_end } = subscription;
  const { at, amount, currency, reason } = next_charge;
  const charge = amount === null ? '' : `${amount} ${currency}`;
  const from = at === null ? '' : `${charge === '' ? '' : ' '}from ${formatMinute(at)}`;
  const head = `${charge}${from}`;
  return [
    `subscription ${id}  ${kind} ${plan} ${period_days} d, ${state}, until ${formatMinute(expires_at)}`,
    `  next charge: ${head === '' ? '' : `${head}; `}${reason.sentence}`,
    ...(overdue_end === null ? [] : [`  end: ${overdue_end.sentence}`]),
    `  access: ${access.reason.sentence}`,
    ...access.nodes.map(({ node, reason: why }) => `    ${node}: ${why.sentence}`),
  ].join('\n');
}

function formatNotices({ waiting, last_sent }: NoticeOverview): string {
  const rows = waiting.map(({ id, kind, state, reason }) => [
    `  ${id}`,
    kind,
    state,
    reason.sentence,
  ]);
  const last =
    last_sent === null
      ? '  last sent: none'
      : `  last sent: ${last_sent.kind} at ${formatMinute(last_sent.sent_at)}, by ${last_sent.channel}`;
  return ['notifications', rows.length === 0 ? '  none pending' : formatTable(rows), last].join(
    '\n',
  );
}
