import { PgBoss } from 'pg-boss';
import { createQueueClock } from '../db/queue-clock.ts';
import { toSessionUrl } from '../db/session.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import type { RunnableWorker } from './runnable-worker.ts';

export const schema = 'perennial_queue';

/** pg-boss's minimum. With the beats and the watch below, a dead replica is missed in 7 to 12 s. */
const heartbeatSeconds = 10;

/** Two beats may get lost, by a busy machine or network, before a living run is taken for dead. */
export const beatSeconds = 3;

/** How often one of the replicas looks for jobs whose heartbeat stopped; pg-boss's minimum. */
export const watchSeconds = 1;

/** How often a replica looks for jobs that others left; what it queues itself it takes at once. */
export const pollSeconds = 1;

/** Finished jobs are kept at least this long; a slot is taken as long as its job is kept. */
export const retentionSeconds = 120;

/** pg-boss counts in whole seconds, and a job lasts a day at most. */
export const toWholeSeconds = (ms: number): number => Math.max(1, Math.round(ms / secondMs));

export function openBoss(url: string, now: Instant): PgBoss {
  // pg-boss hands these to `pg` as they are. A statement whose answer never comes (a network that
  // swallows packets) fails; all of its statements are short.
  const connection = { ...toSessionUrl(url), keepAlive: true, query_timeout: 30 * secondMs };
  return new PgBoss({
    ...connection,
    application_name: 'perennial queue',
    schema,
    clock: createQueueClock(now),
    max: 4,
    // No cron (slots see to that), no registry of instances (replicas hold a lock), no flows.
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
    // A run whose process died is run again, however often that happens.
    retryLimit: 1000000,
    retryDelay: 0,
    deleteAfterSeconds: Math.max(retentionSeconds, 2 * toWholeSeconds(worker.everyMs)),
  };
  await boss.createQueue(worker.name, { policy: 'stately', ...settings });
  // One that an older version made has that version's settings.
  await boss.updateQueue(worker.name, settings);
}
