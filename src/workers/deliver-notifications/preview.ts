import { readClock } from '../../db/clock.ts';
import type { Db } from '../../db/connect.ts';
import { isoTime } from '../../kernel/instant.ts';
import { readFacts } from '../../notify/facts.ts';
import { judge, type Verdict } from '../../notify/judging.ts';
import { toAdmins } from '../../notify/outbox.ts';
import type { NoticePreview } from '../worker.ts';
import type { Delivery } from './claim.ts';
import { type DueKey, readDue, readNotices } from './store.ts';

export interface DeliveryPreview {
  readonly db: Db;
  readonly batchMax: number;
  readonly signal: AbortSignal;
}

/** What a run would say, and what it wouldn't: by the same finding, facts and rule. Changes nothing. */
export async function previewDelivery(
  { channels, texts, admins }: Delivery,
  { db, batchMax, signal }: DeliveryPreview,
  report: (preview: NoticePreview) => void,
): Promise<void> {
  const open = db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  await open.execute(async (tx) => {
    const now = await readClock(tx);
    // And the alarms that no courier has seen yet.
    for (const takes of [...channels.map((channel) => channel.takes), toAdmins]) {
      let after: DueKey | undefined;
      while (!signal.aborted) {
        const page = await readDue(tx, takes, { after, max: batchMax });
        const ids = page.map(({ id }) => id);
        const facts = await readFacts(tx, ids, now);
        const notices = await readNotices(tx, ids);
        for (const notice of notices) {
          const read = facts.get(notice.id);
          if (read === undefined) continue;
          const { id: noticeId, kind, subscriptionId } = notice;
          const verdict = judge(notice, read.facts, now);
          const told = verdict.do === 'send' ? verdict.params : notice.params;
          const said = { kind, params: told, subscriptionId, planTitle: read.planTitle };
          const reader = read.reader ?? admins;
          const { subject } = texts.render(said, { ...reader, now });
          const telegramId = read.reader?.telegramId ?? null;
          report({ noticeId, telegramId, kind, ...wordsOf(verdict, subject) });
        }
        after = page.at(-1)?.key;
        if (page.length < batchMax) break;
      }
    }
  });
}

function wordsOf(verdict: Verdict, subject: string): { outcome: string; sentence: string } {
  switch (verdict.do) {
    case 'send':
      return { outcome: 'send', sentence: subject };
    case 'wait':
      return { outcome: 'wait', sentence: `until ${isoTime(verdict.until)}: ${subject}` };
    case 'suppress':
      return { outcome: 'suppress', sentence: `${verdict.reason}: ${subject}` };
  }
}
