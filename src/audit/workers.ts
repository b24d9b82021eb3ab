import { sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';
import { lastWork } from './notifications.ts';
import { stepBackMax } from './times.ts';

// Promises 9 and 10 in the database: quarantine, runs and fences.
//
// Items in quarantine are retried. Runs end and leave a record. Workers run. The sequences issued
// all epochs and versions.

const quarantineIsRetried = defineCheck<{
  customer_id: null;
  item: string;
  worker: string;
  retry_at: Instant;
  passed_at: Instant;
}>({
  id: 'quarantine-is-retried',
  promise: 9,
  title: 'an item in quarantine is retried at its time',
  find: () => sql`
    SELECT NULL::bigint AS customer_id, q.item, q.worker, q.retry_at, s.passed_at
    FROM perennial.quarantine q JOIN perennial.worker_state s ON s.worker = q.worker
    WHERE q.retry_at < s.passed_at - interval '24 hours'`,
  rows: ({ worker, item }) => ({ quarantine: [`${worker} ${item}`] }),
  describe: ({ worker, item, retry_at, passed_at }) =>
    `item ${item} of ${worker} was due at ${isoTime(retry_at)}; the run of ${isoTime(passed_at)} did not retry it`,
});

interface Run {
  readonly customer_id: null;
  readonly id: bigint;
  readonly worker: string;
  readonly started_at: Instant;
}

const latestRun = sql`(SELECT max(at) FROM (
  SELECT max(later.started_at) AS at FROM perennial.worker_run later WHERE later.worker = r.worker
  UNION ALL
  SELECT s.passed_at FROM perennial.worker_state s WHERE s.worker = r.worker) run)`;

const runHasEnded = defineCheck<Run>({
  id: 'run-has-ended',
  promise: 10,
  title: 'a run has ended, or another replica recorded it as lost',
  find: (now) => sql`
    SELECT NULL::bigint AS customer_id, r.id, r.worker, r.started_at FROM perennial.worker_run r
    WHERE r.outcome = 'running' AND (r.started_at < ${now} - interval '24 hours'
      OR r.started_at < ${latestRun} - interval '1 hour')`,
  rows: ({ id }) => ({ worker_run: [id] }),
  describe: ({ id, worker, started_at }) =>
    `run ${id} of ${worker} began at ${isoTime(started_at)} and has no end`,
});

const endedAfterItsStart = defineCheck<Run & { finished_at: Instant }>({
  id: 'run-ends-after-its-start',
  promise: 10,
  title: 'a run ended after it began',
  find: () => sql`
    SELECT NULL::bigint AS customer_id, id, worker, started_at, finished_at
    FROM perennial.worker_run WHERE finished_at < started_at - ${stepBackMax}`,
  rows: ({ id }) => ({ worker_run: [id] }),
  describe: ({ id, worker, started_at, finished_at }) =>
    `run ${id} of ${worker} ended at ${isoTime(finished_at)} and began at ${isoTime(started_at)}`,
});

/** Workers with events, and so with a record of each run. */
const recording = sql`('auto-renewal', 'fast-expiry-cleanup')`;

const workIsRecorded = defineCheck<{ customer_id: null; worker: string; at: Instant }>({
  id: 'work-is-recorded',
  promise: 10,
  title: 'the last change of a worker belongs to a run that is recorded',
  find: (now) => sql`
    SELECT NULL::bigint AS customer_id, done.worker, done.at
    FROM (SELECT actor AS worker, max(at) AS at FROM event
      WHERE actor IN ${recording} AND at BETWEEN ${now} - interval '29 days' AND ${now}
      GROUP BY actor) done
    WHERE NOT EXISTS (SELECT FROM perennial.worker_run r WHERE r.worker = done.worker
      AND r.started_at <= done.at + ${stepBackMax}
      AND coalesce(r.finished_at, 'infinity') >= done.at - ${stepBackMax})`,
  rows: ({ worker }) => ({ worker_run: [worker] }),
  describe: ({ worker, at }) =>
    `${worker} changed a subscription at ${isoTime(at)}, and no run of that time is recorded`,
});

const workersRun = defineCheck<{ customer_id: null; last: Instant; used_at: Instant }>({
  id: 'workers-run',
  promise: 10,
  title: 'workers run while the database is in use',
  find: (now) => sql`
    SELECT NULL::bigint AS customer_id, work.last, used.at AS used_at
    FROM (SELECT ${lastWork} AS last) work,
      (SELECT max(at) AS at FROM event
        WHERE customer_id IS NOT NULL AND at <= ${now}) used
    WHERE used.at > work.last + interval '3 days'`,
  rows: () => ({}),
  describe: ({ last, used_at }) =>
    `no worker has run since ${isoTime(last)}; customers were changed until ${isoTime(used_at)}`,
});

const fencesWereIssued = defineCheck<{
  customer_id: null;
  place: string;
  epoch: bigint;
  last: bigint;
}>({
  id: 'fences-were-issued',
  promise: 10,
  title: 'each epoch of a courier and each version of a mark was issued by its sequence',
  find: () => sql`
    SELECT NULL::bigint AS customer_id, used.place, used.epoch, used.last FROM (
      SELECT 'courier' AS place, max(epoch) AS epoch,
        (SELECT last_value FROM perennial.courier_epoch) AS last FROM perennial.courier
      UNION ALL
      SELECT 'notification', max(epoch), (SELECT last_value FROM perennial.courier_epoch)
      FROM notification
      UNION ALL
      SELECT 'access_sync', max(version), (SELECT last_value FROM perennial.access_sync_version)
      FROM perennial.access_sync) used
    WHERE used.epoch > used.last`,
  rows: ({ place, epoch }) => ({ [place]: [epoch] }),
  describe: ({ place, epoch, last }) =>
    `${place} has ${epoch}, and its sequence issued up to ${last}: two of them may be equal`,
});

export const isolationChecks = [quarantineIsRetried];
export const replicaChecks = [
  runHasEnded,
  endedAfterItsStart,
  workIsRecorded,
  workersRun,
  fencesWereIssued,
];
