import type { AuditReport, CheckReport } from '../../audit/audit.ts';
import { isoTime } from '../../kernel/instant.ts';
import { escapeHtml } from '../../notifications/texts/html.ts';
import {
  formatNotShown,
  formatOutages,
  formatScope,
  formatVerdict,
  formatViolationRows,
  groupByPromise,
  type ReportSection,
} from './audit-text.ts';

// The report as one file that an operator keeps as a record: no script, nothing loaded from
// elsewhere, readable on a telephone, on paper and without colours.

const style = `
  :root { color-scheme: light dark; --good: light-dark(#1a7f4b, #4fc98a);
    --bad: light-dark(#b3261e, #ff8a80); --quiet: light-dark(#667, #99a);
    --line: light-dark(#e2e2ea, #35353f); }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto;
    padding: 0 1rem; }
  h1 { margin-bottom: .25rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
  .ok { color: var(--good); } .violation { color: var(--bad); }
  .verdict { font-size: 1.15rem; font-weight: 600; }
  ul { list-style: none; margin: 0; padding: 0; }
  ul.checks > li { border-top: 1px solid var(--line); padding: .4rem 0 .4rem 1.6rem;
    text-indent: -1.6rem; }
  .mark { display: inline-block; width: 1.6rem; text-indent: 0; font-weight: 700; }
  .scroll { overflow-x: auto; text-indent: 0; margin: .5rem 0; }
  table { border-collapse: collapse; font-size: .9rem; width: 100%; }
  th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; }
  th, .quiet { color: var(--quiet); font-weight: 400; }
  code { font: .85em ui-monospace, monospace; overflow-wrap: anywhere; }
  @media print { ul.checks > li { break-inside: avoid; } }`;

export function formatAuditHtml(report: AuditReport): string {
  const verdict = escapeHtml(formatVerdict(report));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit ${isoTime(report.now)}: ${verdict}</title>
<style>${style}
</style>
</head>
<body>
<h1>Audit</h1>
<p class="verdict ${report.ok ? 'ok' : 'violation'}">${verdict}</p>
<p>${escapeHtml(formatScope(report))}</p>
${formatOutages(report)
  .map((sentence) => `<p class="violation">${escapeHtml(sentence)}</p>`)
  .join('\n')}
${groupByPromise(report).map(formatSection).join('\n')}
</body>
</html>`;
}

function formatSection({ title, checks }: ReportSection): string {
  return `<section>
<h2>${escapeHtml(title)}</h2>
<ul class="checks">
${checks.map(formatCheck).join('\n')}
</ul>
</section>`;
}

function formatCheck(check: CheckReport): string {
  const { id, title, violations } = check;
  if (violations === 0n) {
    return `<li><span class="mark ok" role="img" aria-label="ok">✓</span>${escapeHtml(title)}</li>`;
  }
  const rest = formatNotShown(check);
  const rows = check.sample.map(
    (violation) =>
      `<tr><td>${violation.telegramId ?? 'none'}</td><td><code>${escapeHtml(formatViolationRows(violation))}</code></td><td>${escapeHtml(violation.sentence)}</td></tr>`,
  );
  return `<li><span class="mark violation" role="img" aria-label="violation">✗</span>${escapeHtml(title)}:
<strong class="violation">${violations.toLocaleString('en')}</strong> <code class="quiet">${escapeHtml(id)}</code>
<div class="scroll"><table>
<tr><th>customer</th><th>rows</th><th>violation</th></tr>
${rows.join('\n')}
</table></div>${rest === undefined ? '' : `<span class="quiet">${rest}</span>`}</li>`;
}
