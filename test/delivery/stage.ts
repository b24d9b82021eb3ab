import { sql } from 'kysely';
import type { NoticeState } from '../../src/db/schema.ts';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import {
  openTelegram,
  type TelegramSettings,
} from '../../src/notify/channels/telegram/telegram.ts';
import { openTexts } from '../../src/notify/texts.ts';
import { setAutoRenew } from '../../src/subscription/granting.ts';
import type { Delivery } from '../../src/workers/deliver-notifications/claim.ts';
import {
  type Couriers,
  type CouriersOptions,
  startCouriers,
} from '../../src/workers/deliver-notifications/couriers.ts';
import { deliverNotifications } from '../../src/workers/deliver-notifications/worker.ts';
import { openReplica } from '../../src/workers/replica.ts';
import type { RunLog } from '../../src/workers/run-context.ts';
import type { RunRow } from '../../src/workers/run-record.ts';
import { type Books, type BooksOptions, freshBooks } from '../books.ts';
import { type BotApi, type BotApiOptions, startBotApi } from '../bot-api/bot-api.ts';
import { openShop, payer } from '../shop.ts';

// A shop whose messages go to a fake Bot API, by couriers of this process or of others.

export const token = '123456789:AAF-canary_canary_canary_canary_canary';

/** As quick as it gets; the pace has tests of its own. */
export const brisk = { perSecond: 1_000, gapMs: 0 } as const;

export interface Stage extends AsyncDisposable {
  readonly books: Books;
  readonly api: BotApi;
}

/** @param options.now default: by the server's clock */
export async function aStage(
  options: BooksOptions & { readonly api?: BotApiOptions } = {},
): Promise<Stage> {
  const api = await startBotApi({ limits: brisk, ...options.api });
  const books = await freshBooks(options);
  await openShop(books);
  return {
    books,
    api,
    async [Symbol.asyncDispose]() {
      await books.close();
      await api.stop();
    },
  };
}

const texts = openTexts();

export function deliveryTo(
  api: Pick<BotApi, 'url'>,
  more: Partial<TelegramSettings> = {},
): Delivery {
  const settings = { token, api: api.url, admins: [7], deadlineMs: 2_000, ...brisk, ...more };
  const admins = { locale: 'en', timeZone: 'UTC' };
  return { channels: [openTelegram(settings)], texts, admins };
}

export const mute = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export interface Running extends Couriers, AsyncDisposable {}

/** The couriers of a process. */
export function deliver(
  { books, api }: Pick<Stage, 'books' | 'api'>,
  more: Partial<CouriersOptions> & { readonly telegram?: Partial<TelegramSettings> } = {},
): Running {
  const replica = openReplica(books.url);
  const { db, url } = books;
  const { telegram, ...options } = more;
  const delivery = deliveryTo(api, telegram);
  const couriers = startCouriers({
    url,
    db,
    replica,
    log: mute,
    pollMs: 100,
    ...delivery,
    ...options,
  });
  const stop = async () => {
    await couriers.stop();
    await replica.close();
  };
  return { held: couriers.held, stop, [Symbol.asyncDispose]: stop };
}

/** One run. */
export async function runDelivery(
  { books, api }: Pick<Stage, 'books' | 'api'>,
  delivery: Delivery = deliveryTo(api),
  signal = new AbortController().signal,
  log: RunLog = mute,
): Promise<RunRow> {
  const replica = openReplica(books.url);
  const begunMs = performance.now();
  try {
    return await deliverNotifications(() => delivery).run({
      db: books.db,
      replica,
      batchMax: 1_000,
      budgetMs: 20_000,
      signal,
      elapsedMs: () => performance.now() - begunMs,
      log,
    });
  } finally {
    for (const channel of delivery.channels) channel.close();
    await replica.close();
  }
}

export interface NoticeRow {
  readonly id: bigint;
  readonly kind: string;
  readonly state: NoticeState;
  readonly reason: string | null;
  readonly attempts: number;
  readonly lost_answers: number;
  readonly message_id: bigint | null;
  readonly recipient: string | null;
  readonly channel: string;
  readonly sent_at: Instant | null;
  readonly next_attempt_at: Instant;
}

export async function notices({ db }: Pick<Books, 'db'>, kind?: string): Promise<NoticeRow[]> {
  const { rows } = await sql<NoticeRow>`
    SELECT id, kind, state, reason, attempts, lost_answers, message_id, recipient, channel, sent_at,
      next_attempt_at
    FROM perennial.notification WHERE kind = ${kind ?? null} OR ${kind ?? null}::text IS NULL
    ORDER BY id`.execute(db);
  return rows;
}

/** A customer with a month that begins now, who was told of that. */
export async function told(
  { books }: Pick<Stage, 'books'>,
  telegramId: bigint,
  leftMinor = 0n,
): Promise<SubscriptionId> {
  const id = await payer(books, telegramId, leftMinor);
  await sql`DELETE FROM perennial.notification`.execute(books.db);
  return id;
}

/** A customer whose subscription ends by itself in a month: who is reminded before. */
export async function leaver(stage: Pick<Stage, 'books'>, telegramId: bigint): Promise<void> {
  const subscriptionId = await told(stage, telegramId);
  const call = { db: stage.books.db, actor: 'test' };
  await setAutoRenew(call, { telegramId, subscriptionId, on: false });
}
