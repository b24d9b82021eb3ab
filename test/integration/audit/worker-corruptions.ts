// Corruptions that belong to no customer: runs, quarantine, couriers, nodes, fences and their
// times.

export interface WorkCorruption {
  readonly check: string;
  /** The row as the report names it. */
  readonly names: string;
  readonly statements: string;
}

const farTimeSql = "'2099-01-01Z'";

const runInsertSql = (worker: string, values: string) => `
  INSERT INTO worker_run (worker, replica, replica_number, started_at, finished_at, outcome)
  VALUES ('${worker}', 'r', 1, ${values})`;

const createFarWait = (names: string, statements: string) => {
  return { check: 'wait-has-its-horizon', names, statements };
};
const createFutureTime = (names: string, statements: string) => ({
  check: 'past-is-past',
  names,
  statements,
});

export const workerCorruptions: readonly WorkCorruption[] = [
  {
    check: 'quarantine-is-retried',
    names: 'quarantine keep-node x',
    statements: `
      INSERT INTO worker_state (worker, runs, passed_at) VALUES ('keep-node', 1, clock());
      INSERT INTO quarantine (worker, item, reason, retry_at, first_seen_at)
      VALUES ('keep-node', 'x', 'x', clock() - interval '25 hours', clock() - interval '26 hours')`,
  },
  {
    check: 'run-has-ended',
    names: 'auto-renewal',
    statements: runInsertSql('auto-renewal', "clock() - interval '25 hours', NULL, 'running'"),
  },
  {
    check: 'run-ends-after-its-start',
    names: 'trial-notifications',
    statements: runInsertSql(
      'trial-notifications',
      "clock(), clock() - interval '2 minutes', 'success'",
    ),
  },
  {
    check: 'work-is-recorded',
    names: 'worker_run fast-expiry-cleanup',
    statements: `
      INSERT INTO event (customer_id, subject, action, actor, at)
      VALUES (NULL, 'x', 'x', 'fast-expiry-cleanup', clock())`,
  },
  {
    check: 'bulk-job-counts-its-items',
    names: 'bulk_job 1',
    statements: `
      INSERT INTO bulk_job (action, params, filter, actor, total, created_at)
      VALUES ('grant', '{"days": 2}', '{"state": "active"}', 'x', 1, clock())`,
  },
  {
    check: 'fences-were-issued',
    names: 'courier 1000000',
    statements: "INSERT INTO courier (id, epoch) VALUES ('log', 1000000)",
  },
  createFarWait(
    'quarantine auto-renewal y',
    `INSERT INTO quarantine (worker, item, reason, retry_at, first_seen_at)
     VALUES ('auto-renewal', 'y', 'x', '2126-01-01Z', clock())`,
  ),
  {
    check: 'window-fits-its-periods',
    names: 'setting renewal',
    statements: `INSERT INTO setting (key, value) VALUES ('renewal', '{"window_ms": 1728000000}')
      ON CONFLICT (key) DO UPDATE SET value = setting.value || excluded.value`,
  },
  {
    check: 'clock-is-watched',
    names: 'clock_state deletions_at',
    statements: `UPDATE clock_state SET deletions_at = ${farTimeSql}`,
  },
  {
    check: 'price-review-ends',
    names: 'price_review',
    statements: `
      INSERT INTO worker_state (worker, runs, passed_at) VALUES ('expiry-reminders', 1, clock());
      INSERT INTO price_review (ordered_at) VALUES (clock() - interval '25 hours')`,
  },
  {
    check: 'quarantine-has-its-item',
    names: 'quarantine auto-renewal 999999',
    statements: `INSERT INTO quarantine (worker, item, reason, retry_at, first_seen_at)
     VALUES ('auto-renewal', '999999', 'x', clock(), clock())`,
  },
  createFarWait('node nl-1: open_until', `UPDATE node SET open_until = ${farTimeSql}`),
  createFarWait(
    'node nl-1: reconcile_open_until',
    `UPDATE node SET reconcile_open_until = ${farTimeSql}`,
  ),
  {
    check: 'key-has-its-answer',
    names: 'idempotency top-up k-1',
    statements: `
      INSERT INTO idempotency (scope, key, fingerprint, at) VALUES ('top-up', 'k-1', 'x', clock())`,
  },
  createFarWait(
    'courier mail: rests_until',
    `INSERT INTO courier (id, rests_until) VALUES ('mail', ${farTimeSql})`,
  ),
  createFarWait(
    'access_sync nl-1',
    `UPDATE access_sync SET next_attempt_at = ${farTimeSql} WHERE ctid = (SELECT min(ctid) FROM access_sync)`,
  ),
  createFutureTime('node nl-1: last_seen_at', `UPDATE node SET last_seen_at = ${farTimeSql}`),
  createFutureTime('node nl-1: reconciled_at', `UPDATE node SET reconciled_at = ${farTimeSql}`),
  createFutureTime(
    'worker_run',
    runInsertSql('expiry-reminders', `${farTimeSql}, NULL, 'running'`),
  ),
  createFutureTime(
    'plan plus: retired_at',
    `UPDATE plan SET retired_at = ${farTimeSql} WHERE key = 'plus'`,
  ),
  createFutureTime(
    'token abcdefgh: created_at',
    `INSERT INTO token (id, name, scopes, hash, created_at) VALUES ('abcdefgh', 'x', '{read}',
       decode(repeat('00', 32), 'hex'), ${farTimeSql})`,
  ),
  createFutureTime(
    'quarantine auto-renewal z: first_seen_at',
    `INSERT INTO quarantine (worker, item, reason, retry_at, first_seen_at)
     VALUES ('auto-renewal', 'z', 'x', clock(), ${farTimeSql})`,
  ),
];

/** No worker for days. Separate from the others, which have recent runs. */
export const missingWorkers: WorkCorruption = {
  check: 'workers-run',
  names: 'no worker has run since',
  statements: runInsertSql('auto-renewal', "clock() - interval '3 days 1 ms', clock(), 'success'"),
};
