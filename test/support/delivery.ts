import { sql } from 'kysely';
import type { NoticeState } from '../../src/db/schema.ts';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import { openReplica } from '../../src/leases/replica.ts';
import type { Log } from '../../src/logging/log.ts';
import {
  openTelegram,
  type TelegramSettings,
} from '../../src/notifications/channels/telegram/telegram.ts';
import { openTexts } from '../../src/notifications/texts.ts';
import type { RunRow } from '../../src/runs/run-record.ts';
import { setAutoRenew } from '../../src/subscription/commands/auto-renew.ts';
import type { Delivery } from '../../src/workers/deliver-notifications/claim.ts';
import {
  type Couriers,
  type CouriersOptions,
  startCouriers,
} from '../../src/workers/deliver-notifications/couriers.ts';
import { deliverNotifications } from '../../src/workers/deliver-notifications/worker.ts';
import { type BotApi, type BotApiOptions, startBotApi } from '../../testbed/bot-api/bot-api.ts';
import type { DatabaseOptions, TestDatabase } from './database.ts';
import { silentLog } from './log.ts';
import { enqueueOne } from './notifications.ts';
import { createCaller, createShopDatabase, createSubscriber } from './shop.ts';

// A shop whose couriers, in this process or in others, send to a local Bot API.

export const token = '123456789:AAF-canary_canary_canary_canary_canary';

/** No pause between messages. The pace has separate tests. */
export const fastLimits = { perSecond: 1_000, gapMs: 0 } as const;

export interface Stage extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly api: BotApi;
}

/** @param options.now default: by the server's clock */
export async function createStage(
  options: DatabaseOptions & { readonly api?: BotApiOptions } = {},
): Promise<Stage> {
  const api = await startBotApi({ limits: fastLimits, ...options.api });
  const database = await createShopDatabase(options);
  return {
    database,
    api,
    async [Symbol.asyncDispose]() {
      await database.close();
      await api.stop();
    },
  };
}

const texts = openTexts();

export function createDelivery(
  api: Pick<BotApi, 'url'>,
  overrides: Partial<TelegramSettings> = {},
): Delivery {
  const settings = {
    token,
    api: api.url,
    admins: [7],
    deadlineMs: 2_000,
    ...fastLimits,
    ...overrides,
  };
  const admins = { locale: 'en', timeZone: 'UTC' };
  return { channels: [openTelegram(settings)], texts, admins };
}

export interface RunningCouriers extends Couriers, AsyncDisposable {}

/** The couriers of a process. */
export function startStageCouriers(
  { database, api }: Pick<Stage, 'database' | 'api'>,
  overrides: Partial<CouriersOptions> & { readonly telegram?: Partial<TelegramSettings> } = {},
): RunningCouriers {
  const replica = openReplica(database.url);
  const { db, url } = database;
  const { telegram, ...options } = overrides;
  const delivery = createDelivery(api, telegram);
  const couriers = startCouriers({
    url,
    db,
    replica,
    log: silentLog,
    pollMs: 100,
    ...delivery,
    ...options,
  });
  const stop = async () => {
    await couriers.stop();
    await replica.close();
  };
  return { listChannelIds: couriers.listChannelIds, stop, [Symbol.asyncDispose]: stop };
}

/** One run of deliver-notifications. */
export async function runDelivery(
  { database, api }: Pick<Stage, 'database' | 'api'>,
  delivery: Delivery = createDelivery(api),
  signal = new AbortController().signal,
  log: Pick<Log, 'warn' | 'error'> = silentLog,
): Promise<RunRow> {
  const replica = openReplica(database.url);
  const begunMs = performance.now();
  try {
    return await deliverNotifications(() => delivery).run({
      db: database.db,
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

export interface NotificationRow {
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

export async function readNotifications(
  { db }: Pick<TestDatabase, 'db'>,
  kind?: string,
): Promise<NotificationRow[]> {
  const { rows } = await sql<NotificationRow>`
    SELECT id, kind, state, reason, attempts, lost_answers, message_id, recipient, channel, sent_at,
      next_attempt_at
    FROM perennial.notification WHERE kind = ${kind ?? null} OR ${kind ?? null}::text IS NULL
    ORDER BY id`.execute(db);
  return rows;
}

/** A customer with a month that starts now, whose receipt was sent. */
export async function createNotifiedSubscriber(
  { database }: Pick<Stage, 'database'>,
  telegramId: bigint,
  leftMinor = 0n,
): Promise<SubscriptionId> {
  const id = await createSubscriber(database, telegramId, leftMinor);
  await database.query`DELETE FROM perennial.notification`;
  return id;
}

/** A customer without auto-renewal whose month will end, so that reminders are sent. */
export async function createEndingSubscriber(
  stage: Pick<Stage, 'database'>,
  telegramId: bigint,
): Promise<void> {
  const subscriptionId = await createNotifiedSubscriber(stage, telegramId);
  await setAutoRenew(createCaller(stage.database), { telegramId, subscriptionId, on: false });
}

/** Customers 1 to `count`, each with a pending receipt. */
export async function enqueueReceipts(
  stage: Pick<Stage, 'database'>,
  count: number,
): Promise<void> {
  for (let n = 1; n <= count; n += 1) await createNotifiedSubscriber(stage, BigInt(n));
  for (let n = 1; n <= count; n += 1) await enqueueOne(stage.database, 'receipt', BigInt(n));
}
