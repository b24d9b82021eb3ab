import { type Command, Option } from 'commander';
import { type AuditReport, audit, auditJson } from '../audit/audit.ts';
import { longLimits, openBooks, openPool } from '../db/connect.ts';
import { unreachable } from '../kernel/faults.ts';
import { auditHtml } from './audit-html.ts';
import { auditNodes } from './audit-nodes.ts';
import { auditMarkdown, auditText } from './audit-text.ts';
import { type CommonOptions, command, jsonText, type OpenBooks, withBooks } from './frame.ts';
import { ProgressLine } from './progress.ts';

const formats = ['text', 'json', 'markdown', 'html'] as const;

interface Options extends CommonOptions {
  readonly format: (typeof formats)[number];
  readonly nodes?: boolean;
}

/** `perennial audit`: proves that the books are right, or names what isn't; then exit code 1. */
export function auditCommand(open: OpenBooks): Command {
  return command('audit', 'check every promise on the live books; changes nothing')
    .addOption(
      new Option('--format <FORMAT>', 'how to print the report').choices(formats).default('text'),
    )
    .option('--nodes', 'ask each node as well what it really holds')
    .addHelpText('after', '\nExit code 1 if anything is wrong. What is checked: docs/audit.md')
    .action(async (options: Options) => {
      const report = await withBooks(open, options, ({ url }, signal) =>
        auditAlone(url, options.nodes ?? false, signal),
      );
      const format = options.json ? 'json' : options.format;
      process.stdout.write(`${printed(report, format)}\n`);
      if (!report.ok) process.exitCode = 1;
    });
}

/** On a connection of its own, and one to end it with: at once when it is told to. */
async function auditAlone(
  url: string,
  withNodes: boolean,
  signal: AbortSignal,
): Promise<AuditReport> {
  const db = openBooks(openPool(url, { limits: longLimits, connectionsMax: 2 }));
  const line = new ProgressLine();
  try {
    const report = await audit(db, {
      signal,
      onCheck: ({ title }, at, of) => line.show(() => `checking ${at + 1} of ${of}: ${title}`),
    });
    if (!withNodes) return report;
    const onUsers = (users: number) => line.show(() => `${users} users of a node read`);
    return await auditNodes(report, { db, url, signal, onUsers });
  } finally {
    line.end();
    await db.destroy();
  }
}

function printed(report: AuditReport, format: Options['format']): string {
  switch (format) {
    case 'text':
      return auditText(report);
    case 'json':
      return jsonText(auditJson(report));
    case 'markdown':
      return auditMarkdown(report);
    case 'html':
      return auditHtml(report);
    default:
      return unreachable(format);
  }
}
