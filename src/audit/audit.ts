import { sql } from 'kysely';
import { readClock, stopwatch } from '../db/clock.ts';
import type { Db, Tx } from '../db/connect.ts';
import { Fault } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import type { Check, Violation } from './check.ts';
import { checks as allChecks } from './index.ts';

// The proof that the books are right, on the live database: all checks on one snapshot, in a
// transaction that can't write and takes no lock that anybody waits for. What commits meanwhile is
// not seen, whole or in part. Every check asks the server for what is wrong, so nothing grows here.

export interface AuditOptions {
  readonly signal?: AbortSignal;
  /** Told before each check. */
  readonly onCheck?: (check: Check, at: number, of: number) => void;
  /** For tests; all by default. */
  readonly checks?: readonly Check[];
}

export interface CheckReport {
  readonly id: string;
  readonly promise: number | null;
  readonly title: string;
  readonly violations: bigint;
  /** The first 20. */
  readonly sample: readonly Violation[];
  readonly tookMs: number;
}

export interface AuditReport {
  /** No violation. */
  readonly ok: boolean;
  /** The time of the books, read in the snapshot. */
  readonly now: Instant;
  readonly checks: readonly CheckReport[];
  /** How many rows were looked at, by table. */
  readonly lookedAt: Readonly<Record<string, bigint>>;
  readonly tookMs: number;
}

/**
 * Sort and hash tables of a check: with less, a book of a million goes through temporary files;
 * with much more, a small server that serves workers meanwhile would feel it.
 */
const workMem = '64MB';

/**
 * Runs all checks. It holds one connection of `db` for as long as it takes (about 10 s a million
 * customers), so give it one that is its own. @throws Fault `interrupted` when `signal` aborts
 */
export async function audit(db: Db, options: AuditOptions = {}): Promise<AuditReport> {
  const elapsedMs = stopwatch();
  const { onCheck, checks = allChecks } = options;
  const signal = options.signal && interrupting(options.signal);
  signal?.throwIfAborted();
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      await settle(tx);
      const now = await readClock(tx);
      const reports: CheckReport[] = [];
      for (const [at, check] of checks.entries()) {
        onCheck?.(check, at, checks.length);
        const beganMs = elapsedMs();
        const { violations, sample } = await check.run(tx, now, signal ? { signal } : {});
        const { id, promise, title } = check;
        reports.push({ id, promise, title, violations, sample, tookMs: elapsedMs() - beganMs });
      }
      const lookedAt = await countRows(tx);
      const ok = reports.every(({ violations }) => violations === 0n);
      return { ok, now, checks: reports, lookedAt, tookMs: elapsedMs() };
    });
}

/** The same signal, with a fault that a person can read as its reason. */
function interrupting(signal: AbortSignal): AbortSignal {
  const fault = () =>
    new Fault(
      'transient',
      'interrupted',
      'the audit was interrupted; nothing is known of the rest',
    );
  if (signal.aborted) return AbortSignal.abort(fault());
  const own = new AbortController();
  signal.addEventListener('abort', () => own.abort(fault()), { once: true });
  return own.signal;
}

/** For this transaction only. A nested loop over a whole book, planned from old counts, takes hours. */
async function settle(tx: Tx): Promise<void> {
  await sql`
    SELECT set_config('statement_timeout', '0', true),
      set_config('idle_in_transaction_session_timeout', '0', true),
      set_config('work_mem', ${workMem}, true), set_config('enable_nestloop', 'off', true)`.execute(
    tx,
  );
}

async function countRows(tx: Tx): Promise<AuditReport['lookedAt']> {
  const { rows } = await sql<Record<string, bigint>>`
    SELECT (SELECT count(*) FROM perennial.customer) AS customer,
      (SELECT count(*) FROM perennial.subscription) AS subscription,
      (SELECT count(*) FROM perennial.period) AS period,
      (SELECT count(*) FROM perennial.ledger_entry) AS ledger_entry,
      (SELECT count(*) FROM perennial.credential) AS credential`.execute(tx);
  return rows[0] ?? {};
}

/** As the outside contract has it (DESIGN.md 6), with more beside. */
export function auditJson({ ok, now, checks, lookedAt, tookMs }: AuditReport) {
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
    looked_at: lookedAt,
    took_ms: Math.round(tookMs),
  };
}
