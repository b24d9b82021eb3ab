import { minuteMs } from '../../kernel/instant.ts';
import { lockLeases } from '../../leases/lock.ts';
import type { RunContext } from '../../runs/run-context.ts';
import type { RunRow } from '../../runs/run-record.ts';
import type { NoticePreview } from '../../runs/worker.ts';
import { Backoff } from './backoff.ts';
import { type Delivery, deliveryWorkerName } from './claim.ts';
import { Courier } from './courier.ts';
import type { WalkResult } from './courier-state.ts';
import { type DeliveryResult, recordDeliveryRun } from './delivery-run.ts';
import { acquireCourier, describePrimary } from './lease.ts';
import { type DeliveryPreviewContext, previewDelivery } from './preview.ts';
import type { RunCounts } from './run-counts.ts';

// One run by a person or the scheduler: delivers everything that is due now.
//
// It covers each channel whose lease is free at the moment. A service has permanent couriers
// (`couriers.ts`).

/** `name: reason` for each channel that was skipped or paused. */
type ChannelReasons = Record<string, string>;

async function runChannels(
  delivery: Delivery,
  context: RunContext,
  runCounts: RunCounts,
): Promise<DeliveryResult> {
  const { db, signal, elapsedMs, budgetMs } = context;
  const { channels } = delivery;
  const channelReasons: ChannelReasons = {};
  let hasWorkLeft = false;
  let skippedCount = 0;
  await using connection = await context.replica.connect();
  for (const channel of channels) {
    if ((await lockLeases(connection.client, 'courier', [channel.id], 1)).length === 0) {
      channelReasons[channel.id] = 'its courier is another process';
      skippedCount += 1;
      continue;
    }
    const acquired = await acquireCourier(db, channel);
    if (acquired.is === 'served') {
      channelReasons[channel.id] = describePrimary(acquired.by);
      skippedCount += 1;
      continue;
    }
    const { lease } = acquired;
    const log = { ...context.log, debug: () => undefined, info: () => undefined };
    const courier = new Courier(
      { ...delivery, db, channel, lease },
      { log, signal, backoff: new Backoff() },
    );
    let result: WalkResult;
    try {
      result = await courier.walk(runCounts, () => elapsedMs() >= budgetMs);
    } finally {
      await courier.end();
    }
    if (result.is === 'paused') channelReasons[channel.id] = result.error;
    hasWorkLeft ||= result.is !== 'done';
  }
  const detail = { ...channelReasons, ...(hasWorkLeft ? { work_left: true } : {}) };
  if (skippedCount === channels.length) {
    const reason = Object.entries(channelReasons).map((each) => each.join(': '));
    return { outcome: 'skipped', detail: { reason: reason.join('; ') } };
  }
  if (Object.keys(channelReasons).length > 0) return { outcome: 'degraded', detail };
  return { outcome: hasWorkLeft ? 'partial' : 'success', detail };
}

/** The worker, with the channels of the configuration. */
export function deliverNotifications(delivery: () => Delivery) {
  return {
    name: deliveryWorkerName,
    everyMs: minuteMs,
    run: (context: RunContext): Promise<RunRow> =>
      recordDeliveryRun(context, (runCounts) => runChannels(delivery(), context, runCounts)),
    preview: (context: DeliveryPreviewContext, report: (preview: NoticePreview) => void) =>
      previewDelivery(delivery(), context, report),
  };
}
