import { readClock } from '../../db/clock.ts';
import { type Db, inSnapshot } from '../../db/connect.ts';
import { isoTime } from '../../kernel/instant.ts';
import { checkRelevance, type SendDecision } from '../../notifications/relevance.ts';
import { readRelevanceFacts } from '../../notifications/relevance-store.ts';
import { adminChannel } from '../../outbox/outbox.ts';
import type { NoticePreview } from '../../runs/worker.ts';
import type { Delivery } from './claim.ts';
import { type DueKey, findDueNotices, readNotices } from './store.ts';

export interface DeliveryPreviewContext {
  readonly db: Db;
  readonly batchMax: number;
  readonly signal: AbortSignal;
}

/**
 * Reports what a run would send and what not, by the same search, facts and rule. Changes nothing.
 */
export async function previewDelivery(
  { channels, texts, admins }: Delivery,
  { db, batchMax, signal }: DeliveryPreviewContext,
  report: (preview: NoticePreview) => void,
): Promise<void> {
  await inSnapshot(db, async (tx) => {
    const now = await readClock(tx);
    // Also the alarms that are not addressed yet.
    for (const takes of [...channels.map((channel) => channel.servedChannel), adminChannel]) {
      let after: DueKey | undefined;
      while (!signal.aborted) {
        const page = await findDueNotices(tx, takes, { after, max: batchMax });
        const ids = page.map(({ id }) => id);
        const facts = await readRelevanceFacts(tx, ids, now);
        const notices = await readNotices(tx, ids);
        for (const notice of notices) {
          const read = facts.get(notice.id);
          if (read === undefined) continue;
          const { id: noticeId, kind, subscriptionId } = notice;
          const verdict = checkRelevance(notice, read.facts, now);
          const params = verdict.do === 'send' ? verdict.params : notice.params;
          const content = { kind, params, subscriptionId, planTitle: read.planTitle };
          const reader = read.reader ?? admins;
          const { subject } = texts.render(content, { ...reader, now });
          const telegramId = read.reader?.telegramId ?? null;
          report({ noticeId, telegramId, kind, ...describeVerdict(verdict, subject) });
        }
        after = page.at(-1)?.key;
        if (page.length < batchMax) break;
      }
    }
  });
}

function describeVerdict(
  verdict: SendDecision,
  subject: string,
): { outcome: string; sentence: string } {
  switch (verdict.do) {
    case 'send':
      return { outcome: 'send', sentence: `would be sent: ${subject}` };
    case 'wait':
      return {
        outcome: 'wait',
        sentence: `would wait until ${isoTime(verdict.until)}: ${subject}`,
      };
    case 'suppress':
      return {
        outcome: 'suppress',
        sentence: `would be suppressed, ${verdict.reason}: ${subject}`,
      };
  }
}
