import { type AuditReport, runAudit, toAuditJson } from '../src/audit/audit.ts';
import { longLimits, openDatabase, openPool } from '../src/db/connect.ts';
import { stopwatch } from '../src/kernel/stopwatch.ts';

// A process that audits the database of a URL once. `audit.ts` starts it with a mode.

export interface AuditMeasured {
  readonly ms: number;
  readonly peakMb: number;
  /** The slowest checks first. */
  readonly checks: readonly { readonly id: string; readonly ms: number }[];
}

/** @throws Error with the violations */
function requireNoViolations(report: AuditReport): void {
  if (report.ok) return;
  const violated = toAuditJson(report).checks.filter(({ violations }) => violations > 0n);
  const text = JSON.stringify(violated, (_, value) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
  throw new Error(`the audit of the benchmark failed: ${text.slice(0, 2_000)}`);
}

/** `baseline` is `everything`, and stores the state for `changes`. */
export type AuditMode = 'everything' | 'baseline' | 'changes';

const [, , url, mode] = process.argv as [string, string, string, AuditMode];
const elapsedMs = stopwatch();
const db = openDatabase(openPool(url, { limits: longLimits, connectionsMax: 2 }));
const report = await runAudit(db, {
  checksChanges: mode === 'changes',
  keepsResult: mode === 'baseline',
});
if (mode === 'changes' && report.scope?.kind !== 'changes')
  throw new Error('everything was checked');
requireNoViolations(report);
const measured: AuditMeasured = {
  ms: elapsedMs(),
  peakMb: process.resourceUsage().maxRSS / 1_024,
  checks: report.checks
    .map(({ id, tookMs }) => ({ id, ms: tookMs }))
    .toSorted((a, b) => b.ms - a.ms),
};
process.send?.(measured);
await db.destroy();
process.disconnect?.();
