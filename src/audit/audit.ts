import { sql } from 'kysely';
import { type NodeOutage, readOutages } from '../access/node-outages.ts';
import { readClock } from '../db/clock.ts';
import type { Db, Tx } from '../db/connect.ts';
import { Fault } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { readPresentState, writeBaseline } from './baseline.ts';
import { type AuditScope, createCopies, dropCopies, openScope } from './changes.ts';
import type { AuditCheck, CheckFinding, Violation } from './check.ts';
import { auditChecks as allChecks } from './index.ts';
import { type AuditResult, writeAuditResult } from './result.ts';
import { type AuditScan, runScan } from './scan.ts';
import { auditScans as allScans } from './scans.ts';

// The audit: runs all checks on one snapshot of the live database.
//
// The transaction cannot write, and takes no lock that another session waits for. Later commits are
// not visible. Each check selects the violations on the server, so memory does not grow with the
// data.

export interface AuditOptions {
  readonly signal?: AbortSignal;
  /**
   * Checks only the customers that changed since the last audit of everything without violations,
   * if that is possible (`changes.ts`).
   */
  readonly checksChanges?: boolean;
  /**
   * Stores the result, and of an audit of everything without violations also the state for later
   * audits of the changes.
   */
  readonly keepsResult?: boolean;
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
  /** Undefined: everything was requested, and was checked. */
  readonly scope?: AuditScope;
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
  const interruption = linkSignal(options.signal);
  const { signal } = interruption;
  signal.throwIfAborted();
  const onSession = (pid: number) =>
    signal.addEventListener('abort', () => terminateSession(db, pid));
  try {
    const { report, state } = await inSnapshot(db, options.checksChanges ?? false, (tx) =>
      auditSnapshot(tx, { ...options, signal }, onSession),
    );
    if (state !== undefined) await writeBaseline(db, state);
    if (options.keepsResult) await writeAuditResult(db, toAuditResult(report));
    return report;
  } finally {
    interruption.forget();
    // The session was ended under this statement, so its own error is not the reason.
    signal.throwIfAborted();
  }
}

const toAuditResult = ({ scope, now, checks, tookMs }: AuditReport): AuditResult => ({
  kind: scope?.kind === 'changes' ? 'changes' : 'everything',
  at: now,
  violations: checks.reduce((sum, { violations }) => sum + violations, 0n),
  tookMs: Math.round(tookMs),
});

/** @returns the report, and the state to store for later audits of the changes */
export async function auditSnapshot(
  tx: Tx,
  options: AuditOptions,
  onSession: (pid: number) => void = () => undefined,
) {
  const elapsedMs = stopwatch();
  const { onCheck, checks = allChecks, scans = allScans } = options;
  const { checksChanges = false, keepsResult = false } = options;
  const { now, pid } = await configureTransaction(tx);
  onSession(pid);
  const scope = checksChanges ? await openScope(tx, now) : undefined;
  const runCheck = createCheckRunner(tx, now, scans);
  const reports: CheckReport[] = [];
  for (const [at, check] of checks.entries()) {
    options.signal?.throwIfAborted();
    onCheck?.(check, at, checks.length);
    const startMs = elapsedMs();
    const finding = await runCheck(check);
    const { id, promise, title } = check;
    reports.push({ id, promise, title, ...finding, tookMs: elapsedMs() - startMs });
  }
  const rowCounts = await countRows(tx);
  const nodesDown = await readOutages(tx);
  const ok = reports.every(({ violations }) => violations === 0n);
  const isBaseline = keepsResult && ok && scope?.kind !== 'changes';
  const state = isBaseline ? await readPresentState(tx, now) : undefined;
  const report: AuditReport = {
    ...{ ok, now, checks: reports, rowCounts, nodesDown, tookMs: elapsedMs() },
    ...(scope === undefined ? {} : { scope }),
  };
  return { report, state };
}

/** One snapshot in a read-only transaction, with temporary tables for an audit of the changes. */
function inSnapshot<T>(db: Db, checksChanges: boolean, work: (tx: Tx) => Promise<T>): Promise<T> {
  const execute = (session: Db) =>
    session
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(work);
  if (!checksChanges) return execute(db);
  return db.connection().execute(async (session) => {
    await createCopies(session);
    try {
      return await execute(session);
    } finally {
      // A session that was ended has no temporary tables.
      await dropCopies(session).then(ignore, ignore);
    }
  });
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
  return new Fault('transient', 'interrupted', 'audit: interrupted before all checks ended');
}

/** The signal of the caller, with a fault as its reason that a person can read. */
function linkSignal(outer: AbortSignal | undefined) {
  const controller = new AbortController();
  const abort = () => controller.abort(createInterruptedFault());
  if (outer?.aborted) abort();
  outer?.addEventListener('abort', abort, { once: true });
  return { signal: controller.signal, forget: () => outer?.removeEventListener('abort', abort) };
}

const ignore = () => undefined;

/**
 * Ends the active statement by ending its session, because a cancellation just before its statement
 * is lost. An unreachable server has ended the session.
 */
function terminateSession(db: Db, pid: number): void {
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
      set_config('work_mem', ${workMem}, true), set_config('enable_nestloop', 'off', true),
      set_config('search_path', 'perennial, pg_temp', true)`.execute(tx);
  const [session] = rows as [{ pid: number }];
  return { now: await readClock(tx), pid: session.pid };
}

async function countRows(tx: Tx): Promise<AuditReport['rowCounts']> {
  const { rows } = await sql<Record<string, bigint>>`
    SELECT (SELECT count(*) FROM customer) AS customer,
      (SELECT count(*) FROM subscription) AS subscription,
      (SELECT count(*) FROM period) AS period,
      (SELECT count(*) FROM ledger_entry) AS ledger_entry,
      (SELECT count(*) FROM credential) AS credential`.execute(tx);
  return rows[0] ?? {};
}

/** The external contract of the audit (design, external contract), with further fields. */
export function toAuditJson(report: AuditReport) {
  const { ok, now, scope, checks, rowCounts, nodesDown, tookMs } = report;
  return {
    ok,
    now: isoTime(now),
    since: toScopeJson(scope),
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

/** null: everything was requested. */
function toScopeJson(scope: AuditScope | undefined) {
  if (scope === undefined) return null;
  return scope.kind === 'changes'
    ? { at: isoTime(scope.at), customers: scope.customers, because: null }
    : { at: null, customers: null, because: scope.because };
}
