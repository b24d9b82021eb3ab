import type pg from 'pg';
import { PgBoss } from 'pg-boss';
import { checkPooledSession } from '../db/connect.ts';
import { createQueueClock } from '../db/queue-clock.ts';
import { toSessionUrl } from '../db/session.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import type { RunnableWorker } from './runnable-worker.ts';

export const schema = 'perennial_queue';

/**
 * The minimum of pg-boss. With the heartbeats and the check below, a dead replica is detected in 7
 * to 12 s.
 */
const heartbeatSeconds = 10;

/** Two heartbeats may get lost by a busy machine or network before a run counts as dead. */
export const beatSeconds = 3;

/**
 * The interval of the check for jobs without heartbeats: the minimum of pg-boss. One replica does
 * it.
 */
const watchSeconds = 1;

/**
 * The interval at which a replica looks for jobs that other replicas left. It takes its own jobs at
 * once.
 */
export const pollSeconds = 1;

/** Finished jobs are kept at least this long. A slot is taken as long as its job is kept. */
const retentionSeconds = 120;

/** pg-boss counts in whole seconds, and a job takes at most a day. */
export const toWholeSeconds = (ms: number): number => Math.max(1, Math.round(ms / secondMs));

export function openBoss(url: string, now: Instant): PgBoss {
  // All of its statements are short, so a statement without an answer (a network that drops
  // packets) fails.
  const connection = { ...toSessionUrl(url), keepAlive: true, query_timeout: 30 * secondMs };
  // pg-boss passes these options to its pool of `pg`.
  const poolOptions = {
    ...connection,
    onConnect: (client: pg.ClientBase) => checkPooledSession(client, url, connection),
  };
  return new PgBoss({
    ...poolOptions,
    application_name: 'perennial queue',
    schema,
    clock: createQueueClock(now),
    max: 4,
    // No cron (`slots.ts` replaces it), no registry of instances (replicas hold a lock), no flows.
    schedule: false,
    registerInstance: false,
    flowIntervalSeconds: 3600,
    superviseIntervalSeconds: watchSeconds,
    monitorIntervalSeconds: watchSeconds,
    maintenanceIntervalSeconds: 60,
  });
}

export async function prepareQueue(boss: PgBoss, worker: RunnableWorker): Promise<void> {
  const settings = {
    heartbeatSeconds,
    expireInSeconds: Math.min(toWholeSeconds(worker.runMaxMs), 24 * 3600),
    // The run of a process that exited is repeated, without a limit.
    retryLimit: 1000000,
    retryDelay: 0,
    deleteAfterSeconds: Math.max(retentionSeconds, 2 * toWholeSeconds(worker.everyMs)),
  };
  await boss.createQueue(worker.name, { policy: 'stately', ...settings });
  // A queue that an older version created still has the settings of that version.
  await boss.updateQueue(worker.name, settings);
}
