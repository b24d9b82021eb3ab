import { minuteMs } from '../../kernel/instant.ts';
import type { RunContext } from '../run-context.ts';
import type { RunRow } from '../run-record.ts';
import type { NoticePreview } from '../worker.ts';
import { type Delivery, worker } from './claim.ts';
import { Courier, type Walked } from './courier.ts';
import { enterPost, servedText, tryPost } from './post.ts';
import { type DeliveryPreview, previewDelivery } from './preview.ts';
import { Rest } from './rest.ts';
import { type Ended, recorded } from './run.ts';
import type { Tally } from './tally.ts';

// One run by a person or a timetable: everything that is due now, on every channel whose courier
// isn't somebody else at the moment. A service has couriers that stay (`couriers.ts`).

/** `name: reason` of each channel that could not be worked off. */
type Trouble = Record<string, string>;

async function carriedOut(delivery: Delivery, context: RunContext, tally: Tally): Promise<Ended> {
  const { db, signal, elapsedMs, budgetMs } = context;
  const { channels } = delivery;
  const trouble: Trouble = {};
  let left = false;
  let held = 0;
  await using connection = await context.replica.connect();
  for (const channel of channels) {
    if (!(await tryPost(connection.db, channel.id))) {
      trouble[channel.id] = 'its courier is another process';
      held += 1;
      continue;
    }
    const entered = await enterPost(db, channel);
    if (entered.is === 'served') {
      trouble[channel.id] = servedText(entered.by);
      held += 1;
      continue;
    }
    const { post } = entered;
    const log = { ...context.log, debug: () => undefined, info: () => undefined };
    const courier = new Courier(
      { ...delivery, db, channel, post },
      { log, signal, rest: new Rest() },
    );
    let walked: Walked;
    try {
      walked = await courier.walk(tally, () => elapsedMs() >= budgetMs);
    } finally {
      await courier.end();
    }
    if (walked.is === 'rests') trouble[channel.id] = walked.error;
    left ||= walked.is !== 'done';
  }
  const detail = { ...trouble, ...(left ? { work_left: true } : {}) };
  if (held === channels.length) {
    const reason = Object.entries(trouble).map((each) => each.join(': '));
    return { outcome: 'skipped', detail: { reason: reason.join('; ') } };
  }
  if (Object.keys(trouble).length > 0) return { outcome: 'degraded', detail };
  return { outcome: left ? 'partial' : 'success', detail };
}

/** The worker, for what the configuration says of channels. */
export function deliverNotifications(delivery: () => Delivery) {
  return {
    name: worker,
    everyMs: minuteMs,
    run: (context: RunContext): Promise<RunRow> =>
      recorded(context, (tally) => carriedOut(delivery(), context, tally)),
    preview: (context: DeliveryPreview, report: (preview: NoticePreview) => void) =>
      previewDelivery(delivery(), context, report),
  };
}
