import { type PreviewContext, previewWorker } from '../runs/preview.ts';
import type { RunContext } from '../runs/run-context.ts';
import type { RunRow } from '../runs/run-record.ts';
import { runWorker } from '../runs/runner.ts';
import type { Preview, SubscriptionWorker } from '../runs/worker.ts';
import { connectNode } from '../xray/grpc/client.ts';
import { autoRenewal } from './auto-renewal/worker.ts';
import type { Delivery } from './deliver-notifications/claim.ts';
import { deliverNotifications } from './deliver-notifications/worker.ts';
import { expiryReminders } from './expiry-reminders/worker.ts';
import { fastExpiryCleanup } from './fast-expiry-cleanup/worker.ts';
import { raiseAlarmsWorker } from './raise-alarms/worker.ts';
import { reconcileXrayState } from './reconcile-xray-state/worker.ts';
import { trialNotifications } from './trial-notifications/worker.ts';

/** A worker as those see it who only start it. */
export interface Worker {
  readonly name: string;
  /** How often it runs unless the configuration says otherwise. */
  readonly everyMs: number;
  /** When something becomes due by itself, for one that is woken then. */
  readonly nextDue?: SubscriptionWorker<unknown, unknown>['nextDue'];
  run(context: RunContext): Promise<RunRow>;
  preview(context: WorkerPreviewContext, report: (preview: Preview) => void): Promise<void>;
}

/** `url`: for a worker that needs a connection of its own to compare. */
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

/** Every worker that goes by a timetable. A new one is a folder and a line. */
export const workers: readonly Worker[] = [
  toWorker(autoRenewal),
  toWorker(fastExpiryCleanup),
  toWorker(trialNotifications),
  toWorker(expiryReminders),
  reconcileXrayState(connectNode),
  raiseAlarmsWorker,
];

/** Those that somebody may run: also the one that a service runs for as long as it lives. */
export const createRunnableWorkers = (delivery: () => Delivery): readonly Worker[] => [
  ...workers,
  deliverNotifications(delivery),
];
