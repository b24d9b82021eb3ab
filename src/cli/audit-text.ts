import type { AuditReport, CheckReport } from '../audit/audit.ts';
import type { Violation } from '../audit/check.ts';
import { promiseTitle } from '../audit/index.ts';
import { isoTime } from '../kernel/instant.ts';

// The report of an audit for a person: on a terminal, and as Markdown for a chat or an issue.

/** Checks of one promise, which stand together in the list. */
export interface Section {
  readonly title: string;
  readonly checks: readonly CheckReport[];
}

export function sectionsOf(report: AuditReport): Section[] {
  const promises = [...new Set(report.checks.map(({ promise }) => promise))];
  return promises.map((promise) => ({
    title: promiseTitle(promise),
    checks: report.checks.filter((one) => one.promise === promise),
  }));
}

const counted = (count: bigint | number, one: string, several: string): string =>
  `${count.toLocaleString('en')} ${BigInt(count) === 1n ? one : several}`;

/** `customer 5001` or, where the row has none, that. */
export const customerOf = ({ telegramId }: Violation): string =>
  telegramId === null ? 'no customer' : `customer ${telegramId}`;

/** `ledger_entry 5, period 7 and 9`; a customer's own row is told from the Telegram id. */
export const rowsOf = ({ rows }: Violation): string =>
  Object.entries(rows)
    .map(([table, ids]) => `${table}${table === 'customer' ? ' row' : ''} ${ids.join(' and ')}`)
    .join(', ');

export function notShown({ violations, sample }: CheckReport): string | undefined {
  const rest = violations - BigInt(sample.length);
  return rest > 0n ? `and ${rest.toLocaleString('en')} more` : undefined;
}

/** What it came to, in a sentence. */
export function verdictOf({ ok, checks, lookedAt }: AuditReport): string {
  const and = lookedAt.node === undefined ? '' : ', and the nodes hold what they say';
  if (ok) return `The books are right${and}: all ${checks.length} checks hold.`;
  const broken = checks.filter(({ violations }) => violations > 0n);
  const total = broken.reduce((sum, { violations }) => sum + violations, 0n);
  const ofNodes = broken.every(({ id }) => id.startsWith('node-'));
  const what = ofNodes ? 'The nodes are not as the books say' : 'The books are wrong';
  return `${what}: ${counted(total, 'violation', 'violations')} of ${counted(broken.length, 'check', 'checks')}.`;
}

/** What was looked at, as of when, and how long it took. */
export function scopeOf({ now, lookedAt, tookMs }: AuditReport): string {
  const seen = Object.entries(lookedAt)
    .map(([table, count]) => counted(count, nameOf(table), severalOf(table)))
    .join(', ');
  return `Looked at ${seen}, as they were at ${isoTime(now)}, in ${(tookMs / 1_000).toFixed(1)} s.`;
}

/** A sentence for each node that does not answer. */
export function outagesOf({ nodesDown }: AuditReport): string[] {
  return nodesDown.map(
    ({ node, downSince, toAdd, toRemove }) =>
      `Node ${node} is down since ${isoTime(downSince)}: ${counted(toAdd, 'user waits', 'users wait')} to be added, ${toRemove.toLocaleString('en')} to be removed.`,
  );
}

const conclusionOf = (report: AuditReport): string =>
  [`${verdictOf(report)} ${scopeOf(report)}`, ...outagesOf(report)].join('\n');

const nameOf = (table: string): string => table.replaceAll('_', ' ');

const severalOf = (table: string): string => `${nameOf(table)}s`.replace(/ys$/, 'ies');

export function auditText(report: AuditReport): string {
  const sections = sectionsOf(report).map(({ title, checks }) =>
    [title, ...checks.flatMap(checkLines)].join('\n'),
  );
  return [...sections, conclusionOf(report)].join('\n\n');
}

function checkLines(check: CheckReport): string[] {
  if (check.violations === 0n) return [`  ✓ ${check.title}`];
  const rest = notShown(check);
  return [
    `  ✗ ${check.title}: ${counted(check.violations, 'violation', 'violations')} (${check.id})`,
    ...check.sample.map((one) => `      ${customerOf(one)}, ${rowsOf(one)}: ${one.sentence}`),
    ...(rest === undefined ? [] : [`      ${rest}`]),
  ];
}

/** A cell: what would end it or be taken for markup is escaped. */
const cell = (text: string): string => text.replaceAll(/[\\|`*_<>[\]]/g, '\\$&');

export function auditMarkdown(report: AuditReport): string {
  const rows = report.checks.map(
    ({ promise, title, violations }) =>
      `| ${violations === 0n ? '✓' : '✗'} | ${promise ?? ''} | ${cell(title)} | ${violations} |`,
  );
  const details = report.checks
    .filter(({ violations }) => violations > 0n)
    .map((check) => {
      const rest = notShown(check);
      const items = check.sample.map(
        (one) => `- ${cell(`${customerOf(one)}, ${rowsOf(one)}: ${one.sentence}`)}`,
      );
      return [
        `## ${cell(check.title)}\n`,
        ...items,
        ...(rest === undefined ? [] : [`- ${rest}`]),
      ].join('\n');
    });
  const head = ['|  | promise | what holds | violations |', '|---|---:|---|---:|'];
  return ['# Audit', conclusionOf(report), [...head, ...rows].join('\n'), ...details].join('\n\n');
}
