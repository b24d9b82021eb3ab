import { type Command, Option } from 'commander';
import { type AuditReport, runAudit, toAuditJson } from '../../../audit/audit.ts';
import { longLimits, openDatabase, openPool } from '../../../db/connect.ts';
import { formatCount } from '../../../kernel/count.ts';
import { unreachable } from '../../../kernel/faults.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatJson,
  withDatabase,
} from '../../command.ts';
import { formatAuditHtml } from '../../output/audit-html.ts';
import { formatAuditMarkdown, formatAuditText } from '../../output/audit-text.ts';
import { ProgressLine } from '../../output/progress.ts';
import { auditNodes } from './nodes.ts';

const formats = ['text', 'json', 'markdown', 'html'] as const;

interface Options extends CommonOptions {
  readonly format: (typeof formats)[number];
  readonly nodes?: boolean;
  readonly sinceLast?: boolean;
}

/** `perennial audit`: checks the promises. The exit code is 1 if a check finds a violation. */
export function buildAuditCommand(open: DatabaseOpener): Command {
  return buildCommand('audit')
    .addOption(
      new Option('--format <FORMAT>', 'print the report in this format')
        .choices(formats)
        .default('text'),
    )
    .option(
      '--since-last',
      'check only what changed since the last clean audit of everything [everything]',
    )
    .option('--nodes', 'compare also each node with the database [the database only]')
    .addHelpText('after', '\nExit code 1 if a check finds a violation. Checks: docs/audit.md')
    .action(async (options: Options) => {
      const report = await withDatabase(open, options, ({ url }, signal) =>
        auditDatabase(url, options, signal),
      );
      const format = options.json ? 'json' : options.format;
      process.stdout.write(`${formatReport(report, format)}\n`);
      if (!report.ok) process.exitCode = 1;
    });
}

/** Uses one connection, and a second one that cancels the running statement. */
async function auditDatabase(
  url: string,
  { nodes = false, sinceLast = false }: Options,
  signal: AbortSignal,
): Promise<AuditReport> {
  const db = openDatabase(openPool(url, { limits: longLimits, connectionsMax: 2 }));
  const progress = new ProgressLine();
  try {
    const report = await runAudit(db, {
      signal,
      checksChanges: sinceLast,
      keepsResult: true,
      onCheck: ({ title }, at, of) => progress.show(() => `checking ${at + 1} of ${of}: ${title}`),
    });
    if (!nodes) return report;
    const onUsers = (users: number) =>
      progress.show(() => `${formatCount(users, 'user')} of a node read`);
    return await auditNodes(report, { db, url, signal, onUsers });
  } finally {
    progress.end();
    await db.destroy();
  }
}

function formatReport(report: AuditReport, format: Options['format']): string {
  switch (format) {
    case 'text':
      return formatAuditText(report);
    case 'json':
      return formatJson(toAuditJson(report));
    case 'markdown':
      return formatAuditMarkdown(report);
    case 'html':
      return formatAuditHtml(report);
    default:
      return unreachable(format);
  }
}
