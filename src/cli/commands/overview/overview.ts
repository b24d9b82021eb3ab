import type { Command } from 'commander';
import { formatCount } from '../../../kernel/count.ts';
import { type CurrencyAmount, type Overview, readOverview } from '../../../reports/overview.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';
import { formatMinute } from '../../output/time-text.ts';

/** `perennial overview`: the figures of the present moment. */
export function buildOverviewCommand(open: DatabaseOpener): Command {
  return buildCommand('overview', 'print the figures of the present moment').action(
    (options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const overview = await readOverview(db);
        printResult(options, overview, () => formatOverview(overview));
      }),
  );
}

function formatOverview(overview: Overview): string {
  const { due_24h: due, held, nodes } = overview;
  const asOf = due.as_of === null ? 'at present prices' : `forecast of ${formatMinute(due.as_of)}`;
  const heldItems = held.items.map(({ kind, subject, count }) => `${count} ${kind} (${subject})`);
  const rows = [
    ['collected today', formatAmounts(overview.collected_today.amounts, 'top-up')],
    ['charged today', formatAmounts(overview.charged_today.amounts, 'charge')],
    ['due in 24 h', `${formatAmounts(due.amounts, 'charge')}; ${asOf}`],
    ['late', formatEstimate(overview.late)],
    ['short', formatEstimate(overview.short)],
    ['held', heldItems.join(', ') || 'none'],
    ['pending notices', formatEstimate(overview.pending_notices)],
    ['nodes', `${nodes.up} up, ${nodes.down} down, ${nodes.draining} draining`],
    ['last audit', formatAudit(overview.last_audit)],
    ['active', formatEstimate(overview.active_subscriptions)],
    ['subscriptions', formatEstimate(overview.subscriptions)],
    ['customers', formatEstimate(overview.customers)],
  ];
  return `${formatTable(rows)}\nat ${formatMinute(overview.now)}`;
}

function formatAudit(audit: Overview['last_audit']): string {
  if (audit === null) return 'none';
  const result = audit.ok ? 'ok' : formatCount(audit.violations, 'violation');
  return `${result}, ${audit.kind}, ${formatMinute(audit.at)}`;
}

const formatAmounts = (amounts: readonly CurrencyAmount[], noun: string): string =>
  amounts
    .map(({ currency, count, amount }) => `${amount} ${currency} (${formatCount(count, noun)})`)
    .join(', ') || 'none';

const formatEstimate = (figure: { count: number; count_is_estimated: boolean }): string =>
  `${figure.count_is_estimated ? 'about ' : ''}${figure.count.toLocaleString('en')}`;
