import { openDatabase, openPool } from '../../../src/db/connect.ts';
import { openReplica } from '../../../src/leases/replica.ts';
import { openTelegram } from '../../../src/notifications/channels/telegram/telegram.ts';
import { openTexts } from '../../../src/notifications/texts.ts';
import { startCouriers } from '../../../src/workers/deliver-notifications/couriers.ts';

// A process with a courier: `courier-process.ts URL API PER_SECOND DEADLINE_MS`. It prints when it
// has acquired the lease.

const [url = '', api = '', perSecond = '', deadlineMs = ''] = process.argv.slice(2);
const writeLine = (fields: object, message: string): void =>
  void process.stdout.write(`${message} ${JSON.stringify(fields)}\n`);
const silent = (): void => undefined;
startCouriers({
  url,
  db: openDatabase(openPool(url)),
  replica: openReplica(url),
  channels: [
    openTelegram({
      token: '123456789:AAF-canary_canary_canary_canary_canary',
      api,
      admins: [],
      perSecond: Number(perSecond),
      deadlineMs: Number(deadlineMs),
    }),
  ],
  texts: openTexts(),
  admins: { locale: 'en', timeZone: 'UTC' },
  log: { debug: silent, info: writeLine, warn: silent, error: writeLine },
  pollMs: 100,
  silentMs: 3_000,
});
