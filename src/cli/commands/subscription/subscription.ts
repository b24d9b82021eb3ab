import { Command } from 'commander';
import { countList } from '../../../subscription/queries/list-count.ts';
import {
  listSubscriptions,
  subscriptionColumns,
  subscriptionSorts,
} from '../../../subscription/queries/subscription-list.ts';
import { buildCommand, type DatabaseOpener } from '../../command.ts';
import { addListAction } from '../../list-options.ts';

/** `perennial subscription …`: the list of subscriptions of all customers. */
export function buildSubscriptionCommand(open: DatabaseOpener): Command {
  return new Command('subscription').addCommand(buildSubscriptionListCommand(open));
}

function buildSubscriptionListCommand(open: DatabaseOpener): Command {
  const build = buildCommand('list', 'list subscriptions of all customers, one page at a time');
  return addListAction(open, build, {
    noun: 'subscriptions',
    sorts: subscriptionSorts,
    csvColumns: subscriptionColumns,
    header: ['ID', 'CUSTOMER', 'PLAN', 'STATE', 'END', 'AUTO-RENEWAL', 'BALANCE', 'MISSING AMOUNT'],
    readPage: listSubscriptions,
    count: (db, filter) => countList(db, 'subscriptions', filter),
    toCells: (row) => [
      String(row.id),
      String(row.telegram_id),
      `${row.kind === 'trial' ? 'trial ' : ''}${row.plan} ${row.period_days} d`,
      row.state,
      row.expires_at,
      row.auto_renew ? 'on' : 'off',
      `${row.balance} ${row.currency}`,
      row.missing ?? '',
    ],
  });
}
