import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import { keepMark } from '../db/clock-mark.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import type { LedgerKind } from '../db/schema.ts';
import { clockFault, readClockReading } from '../db/trusted-time.ts';
import { refused } from '../kernel/faults.ts';
import type { CustomerId, LedgerEntryId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { majorUnits, minorMax, moneyText } from '../kernel/money.ts';
import { book, type Reversal, reserveEntryIds } from './ledger.ts';
import { type Customer, lockCustomer, noCustomer, readCustomer } from './locked-customer.ts';
import { readSettings, type Settings } from './settings.ts';
import { type Actor, detailJson } from './timeline.ts';

// The shape of every command that moves money or rights: one transaction, the customer's row
// locked first (rule 1), the facts read after that, and the idempotency key settled before
// anything is done. The same key with the same body gives the first answer again, byte for byte,
// and does nothing; with another body it is refused (matrix R16).

/** Who asks, on which books, and under which key. */
export interface Call {
  /** An open transaction is joined: the command is done if and only if that commits. */
  readonly db: Db | Tx;
  readonly actor: Actor;
  /** Names this very request, so that asking again is harmless. Without one it is its own. */
  readonly key?: string;
  /** The id of the API token that owns the key. The same key of another owner is another key. */
  readonly keyOwner?: string;
  /** The same key while its first request is under way: wait for that, or be refused at once. */
  readonly inFlight?: 'wait' | 'refuse';
  /** Adds fields to the answer before it is stored under the key, in the same transaction. */
  readonly extend?: (tx: Tx, answer: Answer) => Promise<object>;
}

/** What a command works with once it holds the customer. */
export interface Desk {
  readonly tx: Tx;
  readonly actor: Actor;
  readonly now: Instant;
  readonly settings: Settings;
  readonly customer: Customer;
  readonly key: string | undefined;
}

/** An answer as it is stored and printed: plain JSON, money as text in major units. */
export type Answer = Readonly<Record<string, string | number | boolean | null>>;

function fingerprintOf(body: object): string {
  return createHash('sha256').update(detailJson(body)).digest('hex');
}

/**
 * Runs `work` with the customer locked.
 * @throws Fault `no_customer`; `key_reused` when the key was used with another body; `in_flight`;
 *   `clock_suspect`, `commits_lost`
 */
export function forCustomer<A extends Answer>(
  call: Call,
  scope: string,
  telegramId: bigint,
  body: object,
  work: (desk: Desk) => Promise<A>,
): Promise<A> {
  return inTransaction(call.db, async (tx) => {
    await refuseInFlight(tx, scope, call);
    const customerId = await lockCustomer(tx, telegramId);
    return once(tx, scope, call, { telegramId, ...body }, async () =>
      work(await deskOf(tx, call.actor, customerId, call.key, timeUse(scope, body))),
    );
  });
}

/** Commands whose effect is the same at any time. All others start, end or price a period. */
const timeless: ReadonlySet<string> = new Set([
  'top-up',
  'adjust',
  'set',
  'auto-renew',
  'reissue',
  'move-payment',
  'waive-claim',
]);

type TimeUse = 'period' | 'record' | 'quote' | 'list';

function timeUse(scope: string, body: object): TimeUse {
  // A revocation ends the access at once. With a refund, it also prices the rest of the period.
  const isRevocation = scope === 'revoke' && (body as { refund?: unknown }).refund === undefined;
  return isRevocation || timeless.has(scope) ? 'record' : 'period';
}

/**
 * The time of a command.
 * @throws Fault `clock_suspect` for a command with a period; `commits_lost` for any command
 */
async function commandTime(tx: Tx, use: TimeUse): Promise<Instant> {
  const reading = await readClockReading(tx);
  const { trust, now } = reading;
  if (use === 'list') return now;
  if (trust.kind === 'suspect') {
    if (use !== 'record' || trust.cause === 'commits_lost') throw clockFault(trust);
  } else if (use !== 'quote') await keepMark(tx, reading);
  return now;
}

export async function deskOf(
  tx: Tx,
  actor: Actor,
  customerId: CustomerId,
  key: string | undefined,
  use: TimeUse,
): Promise<Desk> {
  return {
    tx,
    actor,
    now: await commandTime(tx, use),
    settings: await readSettings(tx),
    customer: await readCustomer(tx, customerId),
    key,
  };
}

/**
 * Looks at a customer's books without touching them: one snapshot, no lock, nothing written.
 * @throws Fault `no_customer`; for a quote also `clock_suspect`, `commits_lost`
 */
export function glance<A>(
  db: Db,
  telegramId: bigint,
  work: (desk: Desk) => Promise<A>,
  use: 'quote' | 'list' = 'quote',
): Promise<A> {
  const snapshot = db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return snapshot.execute(async (tx) => {
    const { rows } = await sql<{ id: CustomerId }>`
      SELECT id FROM perennial.customer WHERE telegram_id = ${telegramId}`.execute(tx);
    const [row] = rows;
    if (row === undefined) throw noCustomer(telegramId);
    return work(await deskOf(tx, 'quote', row.id, undefined, use));
  });
}

/** @throws Fault `in_flight`: the first request with this key has not ended, here or elsewhere */
export async function refuseInFlight(tx: Tx, scope: string, call: Call): Promise<void> {
  if (call.inFlight !== 'refuse' || call.key === undefined) return;
  const { rows } = await sql<{ free: boolean }>`
    SELECT pg_try_advisory_xact_lock(hashtextextended(${`${scope} ${ownerOf(call)} ${call.key}`}, 0)) AS free`.execute(
    tx,
  );
  if (rows[0]?.free === true) return;
  throw refused(
    'in_flight',
    `a request with the idempotency key "${call.key}" is under way; ask again for its answer`,
  );
}

/** The owner of keys that were stored before keys had owners. Such a key still counts for all. */
const anyOwner = '?';

/** The command line has no token: its keys share one owner. */
const ownerOf = (call: Call): string => call.keyOwner ?? '';

/** Runs `work` once for a key of an owner, and returns the stored answer after that. */
export async function once<A extends Answer>(
  tx: Tx,
  scope: string,
  call: Call,
  body: object,
  work: () => Promise<A>,
): Promise<A> {
  const { key } = call;
  if (key === undefined) return extended(tx, call, await work());
  const owner = ownerOf(call);
  const fingerprint = fingerprintOf(body);
  const at = isoTime(await readClock(tx));
  // Two at once: the second waits here for the first one's commit, and then finds its row.
  const { numAffectedRows } = await sql`
    INSERT INTO perennial.idempotency (scope, key, owner, fingerprint, at)
    SELECT ${scope}, ${key}, ${owner}, ${fingerprint}, ${at}
    WHERE NOT EXISTS (SELECT FROM perennial.idempotency
      WHERE scope = ${scope} AND key = ${key} AND owner = ${anyOwner})
    ON CONFLICT (scope, key, owner) DO NOTHING`.execute(tx);
  if (numAffectedRows === 0n) {
    const earlier = await earlierAnswer<A>(tx, { scope, key, owner }, fingerprint);
    // None: it was so old that it was forgotten at this moment, and so it is a new one.
    return earlier ?? once(tx, scope, call, body, work);
  }
  const answer = await extended(tx, call, await work());
  await sql`
    UPDATE perennial.idempotency SET answer = ${JSON.stringify(answer)}::json
    WHERE scope = ${scope} AND key = ${key} AND owner = ${owner}`.execute(tx);
  return answer;
}

async function extended<A extends Answer>(tx: Tx, call: Call, answer: A): Promise<A> {
  return call.extend === undefined ? answer : { ...answer, ...(await call.extend(tx, answer)) };
}

async function earlierAnswer<A>(
  tx: Tx,
  { scope, key, owner }: { readonly scope: string; readonly key: string; readonly owner: string },
  fingerprint: string,
): Promise<A | undefined> {
  const { rows } = await sql<{ fingerprint: string; answer: A }>`
    SELECT fingerprint, answer FROM perennial.idempotency
    WHERE scope = ${scope} AND key = ${key} AND owner IN (${owner}, ${anyOwner})`.execute(tx);
  const [earlier] = rows;
  if (earlier === undefined) return undefined;
  if (earlier.fingerprint === fingerprint) return earlier.answer;
  throw refused(
    'key_reused',
    `the idempotency key "${key}" was used for another ${scope}; a new request needs a new key`,
  );
}

/** One change of the customer's balance, with its ledger entry. */
export interface Movement {
  /** Signed minor units. */
  readonly amountMinor: bigint;
  readonly kind: LedgerKind;
  readonly provider?: string;
  readonly providerRef?: string;
  readonly reversal?: Reversal;
}

/**
 * Changes the balance of the locked customer. The caller has checked that the balance covers it.
 * @throws Fault `balance_too_large`: the column cannot hold the sum
 */
export async function move(desk: Desk, movement: Movement): Promise<LedgerEntryId> {
  requireStorableBalance(desk.customer, movement.amountMinor);
  const [id] = (await reserveEntryIds(desk.tx, 1)) as [LedgerEntryId];
  const balanceAfterMinor = desk.customer.balanceMinor + movement.amountMinor;
  await book(
    desk.tx,
    [
      {
        ...movement,
        id,
        customerId: desk.customer.id,
        balanceAfterMinor,
        idempotencyKey: `${movement.kind}:${id}`,
      },
    ],
    desk.now,
  );
  desk.customer.balanceMinor = balanceAfterMinor;
  desk.customer.claimMinor += movement.reversal?.claimMinor ?? 0n;
  return id;
}

function requireStorableBalance(customer: Customer, amountMinor: bigint): void {
  const { balanceMinor, currency } = customer;
  if (balanceMinor + amountMinor <= minorMax) return;
  const limit = majorUnits(minorMax, currency);
  const balance = moneyText(balanceMinor, currency);
  throw refused(
    'balance_too_large',
    `the balance is ${balance}; with this amount it would exceed ${limit}, the largest balance`,
  );
}
