import type { AuditReport, CheckReport } from '../../audit/audit.ts';
import type { Violation } from '../../audit/check.ts';
import { formatPromiseTitle } from '../../audit/index.ts';
import { isoTime } from '../../kernel/instant.ts';

// The report of an audit for a person: on a terminal, and as Markdown for a chat or an issue.

/** Checks of one promise, which stand together in the list. */
export interface ReportSection {
  readonly title: string;
  readonly checks: readonly CheckReport[];
}

export function groupByPromise(report: AuditReport): ReportSection[] {
  const promises = [...new Set(report.checks.map(({ promise }) => promise))];
  return promises.map((promise) => ({
    title: formatPromiseTitle(promise),
    checks: report.checks.filter((one) => one.promise === promise),
  }));
}

const formatCount = (count: bigint | number, one: string, several: string): string =>
  `${count.toLocaleString('en')} ${BigInt(count) === 1n ? one : several}`;

/** `customer 5001` or, where the row has none, that. */
export const formatViolationCustomer = ({ telegramId }: Violation): string =>
  telegramId === null ? 'no customer' : `customer ${telegramId}`;

/** `ledger_entry 5, period 7 and 9`; a customer's own row is told from the Telegram id. */
export const formatViolationRows = ({ rows }: Violation): string =>
  Object.entries(rows)
    .map(([table, ids]) => `${table}${table === 'customer' ? ' row' : ''} ${ids.join(' and ')}`)
    .join(', ');

export function formatNotShown({ violations, sample }: CheckReport): string | undefined {
  const rest = violations - BigInt(sample.length);
  return rest > 0n ? `and ${rest.toLocaleString('en')} more` : undefined;
}

/** What it came to, in a sentence. */
export function formatVerdict({ ok, checks, rowCounts }: AuditReport): string {
  const nodesClause = rowCounts.node === undefined ? '' : ', and the nodes hold what they say';
  if (ok) return `The books are right${nodesClause}: all ${checks.length} checks hold.`;
  const broken = checks.filter(({ violations }) => violations > 0n);
  const total = broken.reduce((sum, { violations }) => sum + violations, 0n);
  const ofNodes = broken.every(({ id }) => id.startsWith('node-'));
  const finding = ofNodes ? 'The nodes are not as the books say' : 'The books are wrong';
  return `${finding}: ${formatCount(total, 'violation', 'violations')} of ${formatCount(broken.length, 'check', 'checks')}.`;
}

/** What was looked at, as of when, and how long it took. */
export function formatScope({ now, rowCounts, tookMs }: AuditReport): string {
  const rowsText = Object.entries(rowCounts)
    .map(([table, count]) => formatCount(count, formatTableName(table), formatTablePlural(table)))
    .join(', ');
  return `Looked at ${rowsText}, as they were at ${isoTime(now)}, in ${(tookMs / 1_000).toFixed(1)} s.`;
}

/** A sentence for each node that does not answer. */
export function formatOutages({ nodesDown }: AuditReport): string[] {
  return nodesDown.map(
    ({ node, downSince, toAdd, toRemove }) =>
      `Node ${node} is down since ${isoTime(downSince)}: ${formatCount(toAdd, 'user waits', 'users wait')} to be added, ${toRemove.toLocaleString('en')} to be removed.`,
  );
}

const formatConclusion = (report: AuditReport): string =>
  [`${formatVerdict(report)} ${formatScope(report)}`, ...formatOutages(report)].join('\n');

const formatTableName = (table: string): string => table.replaceAll('_', ' ');

const formatTablePlural = (table: string): string =>
  `${formatTableName(table)}s`.replace(/ys$/, 'ies');

export function formatAuditText(report: AuditReport): string {
  const sections = groupByPromise(report).map(({ title, checks }) =>
    [title, ...checks.flatMap(formatCheckLines)].join('\n'),
  );
  return [...sections, formatConclusion(report)].join('\n\n');
}

function formatCheckLines(check: CheckReport): string[] {
  if (check.violations === 0n) return [`  ✓ ${check.title}`];
  const rest = formatNotShown(check);
  return [
    `  ✗ ${check.title}: ${formatCount(check.violations, 'violation', 'violations')} (${check.id})`,
    ...check.sample.map(
      (one) =>
        `      ${formatViolationCustomer(one)}, ${formatViolationRows(one)}: ${one.sentence}`,
    ),
    ...(rest === undefined ? [] : [`      ${rest}`]),
  ];
}

/** A cell: what would end it or be taken for markup is escaped. */
const escapeCell = (text: string): string => text.replaceAll(/[\\|`*_<>[\]]/g, '\\$&');

export function formatAuditMarkdown(report: AuditReport): string {
  const rows = report.checks.map(
    ({ promise, title, violations }) =>
      `| ${violations === 0n ? '✓' : '✗'} | ${promise ?? ''} | ${escapeCell(title)} | ${violations} |`,
  );
  const details = report.checks
    .filter(({ violations }) => violations > 0n)
    .map((check) => {
      const rest = formatNotShown(check);
      const items = check.sample.map(
        (one) =>
          `- ${escapeCell(`${formatViolationCustomer(one)}, ${formatViolationRows(one)}: ${one.sentence}`)}`,
      );
      return [
        `## ${escapeCell(check.title)}\n`,
        ...items,
        ...(rest === undefined ? [] : [`- ${rest}`]),
      ].join('\n');
    });
  const head = ['|  | promise | what holds | violations |', '|---|---:|---|---:|'];
  return ['# Audit', formatConclusion(report), [...head, ...rows].join('\n'), ...details].join(
    '\n\n',
  );
}
