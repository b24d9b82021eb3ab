import type { Command } from 'commander';
import {
  customerColumns,
  customerSorts,
  listCustomers,
} from '../../../subscription/queries/customer-list.ts';
import { countList } from '../../../subscription/queries/list-count.ts';
import { createNoMatchFault, findListedCustomers } from '../../../subscription/queries/lookup.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';
import { addListAction } from '../../list-options.ts';

// `perennial customer list|find`.

export function buildCustomerListCommand(open: DatabaseOpener): Command {
  const build = buildCommand('list', 'list customers, one page at a time');
  return addListAction(open, build, {
    noun: 'customers',
    sorts: customerSorts,
    csvColumns: customerColumns,
    header: ['ID', 'CUSTOMER', 'BALANCE', 'ACTIVE SUBSCRIPTIONS', 'END', 'REMARKS'],
    readPage: listCustomers,
    count: (db, filter) => countList(db, 'customers', filter),
    toCells: (row) => [
      `c${row.id}`,
      String(row.telegram_id),
      `${row.balance} ${row.currency}`,
      String(row.active),
      row.expires_at ?? '',
      [
        ...(row.blocked_reason === null ? [] : [`blocked: ${row.blocked_reason}`]),
        ...(row.reachable ? [] : ['unreachable']),
        ...(Number(row.claim) > 0 ? [`claim ${row.claim}`] : []),
      ].join(', '),
    ],
  });
}

export function buildFindCommand(open: DatabaseOpener): Command {
  return buildCommand('find', 'find customers by an id, a UUID, a sub_token or a payment reference')
    .argument(
      '<VALUE>',
      'choose by a Telegram id, a customer id like c123, a UUID, a sub_token or a payment reference',
    )
    .action((value: string, options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const items = await findListedCustomers(db, value);
        if (items.length === 0) throw createNoMatchFault(value);
        printResult(options, { items }, () =>
          formatTable([
            ['ID', 'CUSTOMER', 'MATCH', 'NEXT STEP'],
            ...items.map(({ id, telegram_id, matched_by }) => [
              `c${id}`,
              String(telegram_id),
              matched_by,
              `perennial customer show ${telegram_id}`,
            ]),
          ]),
        );
      }),
    );
}
