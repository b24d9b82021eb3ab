import { storeForecast } from '../forecast/worker.ts';
import { type PreviewContext, previewWorker } from '../runs/preview.ts';
import type { RunContext } from '../runs/run-context.ts';
import type { RunRow } from '../runs/run-record.ts';
import { runWorker } from '../runs/runner.ts';
import type { Preview, SubscriptionWorker } from '../runs/worker.ts';
import { connectNode } from '../xray/grpc/client.ts';
import { autoRenewal } from './auto-renewal/worker.ts';
import { bulkJobs } from './bulk-jobs/worker.ts';
import type { Delivery } from './deliver-notifications/claim.ts';
import { deliverNotifications } from './deliver-notifications/worker.ts';
import { expiryReminders } from './expiry-reminders/worker.ts';
import { fastExpiryCleanup } from './fast-expiry-cleanup/worker.ts';
import { raiseAlarmsWorker } from './raise-alarms/worker.ts';
import { reconcileXrayState } from './reconcile-xray-state/worker.ts';
import { trialNotifications } from './trial-notifications/worker.ts';

/** A worker for its callers, which only run or preview it. */
export interface Worker {
  readonly name: string;
  /** The interval, unless the configuration sets another one. */
  readonly everyMs: number;
  /** For a worker that is woken when something becomes due by itself. */
  readonly nextDue?: SubscriptionWorker<unknown, unknown>['nextDue'];
  run(context: RunContext): Promise<RunRow>;
  preview(context: WorkerPreviewContext, report: (preview: Preview) => void): Promise<void>;
}

/** `url` is for a worker that compares on a separate connection. */
export interface WorkerPreviewContext extends PreviewContext {
  readonly url: string;
}

function toWorker<Facts, Outcome>(worker: SubscriptionWorker<Facts, Outcome>): Worker {
  return {
    name: worker.name,
    everyMs: worker.everyMs,
    nextDue: worker.nextDue,
    run: (context) => runWorker(worker, context),
    preview: (context, report) => previewWorker(worker, context, report),
  };
}

/** The workers with a schedule. A new worker is a folder and a line here. */
export const workers: readonly Worker[] = [
  toWorker(autoRenewal),
  toWorker(fastExpiryCleanup),
  toWorker(trialNotifications),
  toWorker(expiryReminders),
  reconcileXrayState(connectNode),
  raiseAlarmsWorker,
  bulkJobs,
  storeForecast,
];

/** The workers that a person may run. This adds the worker that a service runs all the time. */
export const createRunnableWorkers = (delivery: () => Delivery): readonly Worker[] => [
  ...workers,
  deliverNotifications(delivery),
];
