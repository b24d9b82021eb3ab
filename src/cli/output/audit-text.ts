import type { AuditReport, CheckReport } from '../../audit/audit.ts';
import type { AuditScope } from '../../audit/changes.ts';
import type { Violation } from '../../audit/check.ts';
import { formatPromiseTitle } from '../../audit/index.ts';
import { formatCount } from '../../kernel/count.ts';
import { isoTime } from '../../kernel/instant.ts';

// The report of an audit for a person, as text for a terminal and as Markdown.

/** The checks of one promise. */
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

/** `customer 5001`, or `no customer`. */
const formatViolationCustomer = ({ telegramId }: Violation): string =>
  telegramId === null ? 'no customer' : `customer ${telegramId}`;

/** `ledger_entry 5, period 7 and 9`. `customer row` distinguishes a row id from a Telegram id. */
export const formatViolationRows = ({ rows }: Violation): string =>
  Object.entries(rows)
    .map(([table, ids]) => `${table}${table === 'customer' ? ' row' : ''} ${ids.join(' and ')}`)
    .join(', ');

export function formatNotShown({ violations, sample }: CheckReport): string | undefined {
  const rest = violations - BigInt(sample.length);
  return rest > 0n ? `and ${rest.toLocaleString('en')} more` : undefined;
}

/** The result in one sentence. */
export function formatVerdict({ ok, checks, rowCounts, scope }: AuditReport): string {
  const nodesClause = rowCounts.node === undefined ? '' : ', and the nodes are equal to it';
  const subject = scope?.kind === 'changes' ? 'The changed part of the database' : 'The database';
  if (ok) return `${subject} is ok${nodesClause}: all ${formatCount(checks.length, 'check')} hold.`;
  const broken = checks.filter(({ violations }) => violations > 0n);
  const total = broken.reduce((sum, { violations }) => sum + violations, 0n);
  const ofNodes = broken.every(({ id }) => id.startsWith('node-'));
  const counts = `${formatCount(total, 'violation')} of ${formatCount(broken.length, 'check')}`;
  return ofNodes ? `The nodes differ from the database: ${counts}.` : `The database has ${counts}.`;
}

/** The rows of the audit, the time of its snapshot, and its duration. */
export function formatScope({ now, rowCounts, tookMs, scope }: AuditReport): string {
  const rowsText = Object.entries(rowCounts)
    .map(([table, count]) => formatCount(count, formatTableName(table), formatTablePlural(table)))
    .join(', ');
  const checked = `Checked ${rowsText} as of ${isoTime(now)} in ${(tookMs / 1_000).toFixed(1)} s.`;
  return scope === undefined ? checked : `${checked} ${formatChanges(scope)}`;
}

/** The scope of an audit of the changes, or the reason why it checked everything. */
function formatChanges(scope: AuditScope): string {
  if (scope.kind === 'everything') return `Everything was checked, because ${scope.because}.`;
  const customers = `${formatCount(scope.customers, 'customer')} changed`;
  return `${customers} since the last audit of everything at ${isoTime(scope.at)}. The other customers were not checked.`;
}

/** One sentence for each node that is down. */
export function formatOutages({ nodesDown }: AuditReport): string[] {
  return nodesDown.map(
    ({ node, downSince, toAdd, toRemove }) =>
      `Node ${node} has been down since ${isoTime(downSince)}. Pending: ${formatCount(toAdd, 'user')} to add, ${toRemove.toLocaleString('en')} to remove.`,
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
    `  ✗ ${check.title}: ${formatCount(check.violations, 'violation')} (${check.id})`,
    ...check.sample.map(
      (one) =>
        `      ${formatViolationCustomer(one)}, ${formatViolationRows(one)}: ${one.sentence}`,
    ),
    ...(rest === undefined ? [] : [`      ${rest}`]),
  ];
}

/** Escapes characters of Markdown in a cell. */
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
  const head = ['| result | promise | check | violations |', '|---|---:|---|---:|'];
  return ['# Audit', formatConclusion(report), [...head, ...rows].join('\n'), ...details].join(
    '\n\n',
  );
}
