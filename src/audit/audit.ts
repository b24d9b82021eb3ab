import { sql } from 'kysely';
import { type NodeOutage, readOutages } from '../access/node-outages.ts';
import { readClock } from '../db/clock.ts';
import type { Db, Tx } from '../db/connect.ts';
import { Fault } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import type { AuditCheck, CheckFinding, Violation } from './check.ts';
import { auditChecks as allChecks } from './index.ts';
import { type AuditScan, runScan } from './scan.ts';
import { auditScans as allScans } from './scans.ts';

// The audit: runs all checks on one snapshot of the live database.
//
// The transaction cannot write, and takes no lock that another session waits for. Later commits are
// not visible. Each check selects the violations on the server, so memory does not grow with the
// data.

export interface AuditOptions {
  readonly signal?: AbortSignal;
  /** Called before each check. */
  readonly onCheck?: (check: AuditCheck, at: number, of: number) => void;
  /** For tests. The default is all checks. */
  readonly checks?: readonly AuditCheck[];
  /** For tests. The default is all scans. Without scans each check runs its own query. */
  readonly scans?: readonly AuditScan[];
}

export interface CheckReport {
  readonly id: string;
  readonly promise: number | null;
  readonly title: string;
  readonly violations: bigint;
  /** The first 20. */
  readonly sample: readonly Violation[];
  /** Includes the time of a shared scan, if this check is its first one. */
  readonly tookMs: number;
}

export interface AuditReport {
  /** No violation. */
  readonly ok: boolean;
  /** The time of the database, read in the snapshot. */
  readonly now: Instant;
  readonly checks: readonly CheckReport[];
  /** The number of rows that were read, by table. */
  readonly rowCounts: Readonly<Record<string, bigint>>;
  /**
   * Nodes that do not answer. This is no violation: their keepers apply the pending changes later.
   */
  readonly nodesDown: readonly NodeOutage[];
  readonly tookMs: number;
}

/**
 * Memory of a check for sorts and hash tables. With less, a database of a million customers needs
 * temporary files. With much more, a small server has too little left for its workers.
 */
const workMem = '64MB';

/**
 * Runs all checks. It holds one connection of `db` for its whole duration: half a minute for a
 * million customers on a busy server. So the caller passes a separate pool. @throws Fault
 * `interrupted` when `signal` aborts
 */
export async function runAudit(db: Db, options: AuditOptions = {}): Promise<AuditReport> {
  const elapsedMs = stopwatch();
  const interruption = linkSignal(options.signal);
  const { signal } = interruption;
  signal.throwIfAborted();
  const { onCheck, checks = allChecks, scans = allScans } = options;
  try {
    return await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(async (tx) => {
        const { now, pid } = await configureTransaction(tx);
        signal.addEventListener('abort', () => terminateSession(db, pid));
        const runCheck = createCheckRunner(tx, now, scans);
        const reports: CheckReport[] = [];
        for (const [at, check] of checks.entries()) {
          signal.throwIfAborted();
          onCheck?.(check, at, checks.length);
          const startMs = elapsedMs();
          const finding = await runCheck(check);
          const { id, promise, title } = check;
          reports.push({ id, promise, title, ...finding, tookMs: elapsedMs() - startMs });
        }
        const rowCounts = await countRows(tx);
        const nodesDown = await readOutages(tx);
        const ok = reports.every(({ violations }) => violations === 0n);
        return { ok, now, checks: reports, rowCounts, nodesDown, tookMs: elapsedMs() };
      });
  } finally {
    interruption.forget();
    // The session was ended under this statement, so its own error is not the reason.
    signal.throwIfAborted();
  }
}

/** Runs the scan of a check once, and the query of the check only if the scan suspects it. */
function createCheckRunner(tx: Tx, now: Instant, scans: readonly AuditScan[]) {
  const pendingScans = new Map(
    scans.flatMap((scan) => Object.keys(scan.suspects(sql`NULL`)).map((id) => [id, scan] as const)),
  );
  const ruledOut = new Set<string>();
  return async (check: AuditCheck): Promise<CheckFinding> => {
    const scan = pendingScans.get(check.id);
    if (scan !== undefined) {
      const scanned = await runScan(tx, scan, now);
      for (const id of [...scanned.ruledOut, ...scanned.suspected]) pendingScans.delete(id);
      for (const id of scanned.ruledOut) ruledOut.add(id);
    }
    return ruledOut.has(check.id) ? { violations: 0n, sample: [] } : await check.run(tx, now);
  };
}

export function createInterruptedFault(): Fault {
  return new Fault('transient', 'interrupted', 'audit: interrupted before it had seen everything');
}

/** The signal of the caller, with a fault as its reason that a person can read. */
function linkSignal(outer: AbortSignal | undefined) {
  const controller = new AbortController();
  const abort = () => controller.abort(createInterruptedFault());
  if (outer?.aborted) abort();
  outer?.addEventListener('abort', abort, { once: true });
  return { signal: controller.signal, forget: () => outer?.removeEventListener('abort', abort) };
}

/**
 * Ends the active statement by ending its session, because a cancellation just before its statement
 * is lost. An unreachable server has ended the session.
 */
function terminateSession(db: Db, pid: number): void {
  const ignore = () => undefined;
  sql`SELECT pg_terminate_backend(${pid})`.execute(db).then(ignore, ignore);
}

/**
 * Settings for this transaction only, and the time of the database in its snapshot. A nested loop
 * over a whole table, planned from outdated counts, would take hours.
 */
async function configureTransaction(
  tx: Tx,
): Promise<{ readonly now: Instant; readonly pid: number }> {
  const { rows } = await sql<{ pid: number }>`
    SELECT pg_backend_pid() AS pid, set_config('statement_timeout', '0', true),
      set_config('idle_in_transaction_session_timeout', '0', true),
      set_config('work_mem', ${workMem}, true), set_config('enable_nestloop', 'off', true)`.execute(
    tx,
  );
  const [session] = rows as [{ pid: number }];
  return { now: await readClock(tx), pid: session.pid };
}

async function countRows(tx: Tx): Promise<AuditReport['rowCounts']> {
  const { rows } = await sql<Record<string, bigint>>`
    SELECT (SELECT count(*) FROM perennial.customer) AS customer,
      (SELECT count(*) FROM perennial.subscription) AS subscription,
      (SELECT count(*) FROM perennial.period) AS period,
      (SELECT count(*) FROM perennial.ledger_entry) AS ledger_entry,
      (SELECT count(*) FROM perennial.credential) AS credential`.execute(tx);
  return rows[0] ?? {};
}

/** The external contract of the audit (design, external contract), with further fields. */
export function toAuditJson({ ok, now, checks, rowCounts, nodesDown, tookMs }: AuditReport) {
  return {
    ok,
    now: isoTime(now),
    checks: checks.map(({ id, promise, title, violations, sample }) => ({
      id,
      promise,
      title,
      violations,
      sample: sample.map(({ telegramId, rows, sentence }) => ({
        telegram_id: telegramId,
        rows,
        sentence,
      })),
    })),
    looked_at: rowCounts,
    nodes_down: nodesDown.map(({ node, downSince, toAdd, toRemove }) => ({
      node,
      down_since: isoTime(downSince),
      additions_waiting: toAdd,
      removals_waiting: toRemove,
    })),
    took_ms: Math.round(tookMs),
  };
}
