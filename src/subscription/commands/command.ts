import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { readClock } from '../../db/clock.ts';
import { refreshMark } from '../../db/clock-mark.ts';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import type { LedgerKind } from '../../db/schema.ts';
import { clockFault, readClockReading } from '../../db/trusted-time.ts';
import { refused } from '../../kernel/faults.ts';
import type { CustomerId, LedgerEntryId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits, minorMax, moneyText } from '../../kernel/money.ts';
import { postEntries, type Reversal, reserveEntryIds } from '../store/ledger.ts';
import { type Customer, lockCustomer, noCustomerFault, readCustomer } from '../store/locked-customer.ts';
import { readSettings, type Settings } from '../rules/settings.ts';
import { type Actor, toDetailJson } from '../store/events.ts';

// The shape of every command that moves money or rights: one transaction, the customer's row
// locked first (rule 1), the facts read after that, and the idempotency key settled before
// anything is done. The same key with the same body gives the first answer again, byte for byte,
// and does nothing; with another body it is refused (matrix R16).

/** Who asks, on which books, and under which key. */
export interface Caller {
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
  readonly extend?: (tx: Tx, answer: CommandResult) => Promise<object>;
}

/** What a command works with once it holds the customer. */
export interface CommandContext {
  readonly tx: Tx;
  readonly actor: Actor;
  readonly now: Instant;
  readonly settings: Settings;
  readonly customer: Customer;
  readonly key: string | undefined;
}

/** An answer as it is stored and printed: plain JSON, money as text in major units. */
export type CommandResult = Readonly<Record<string, string | number | boolean | null>>;

function computeFingerprint(body: object): string {
  return createHash('sha256').update(toDetailJson(body)).digest('hex');
}

/**
 * Runs `work` with the customer locked.
 * @throws Fault `no_customer`; `key_reused` when the key was used with another body; `in_flight`;
 *   `clock_suspect`, `commits_lost`
 */
export function withLockedCustomer<A extends CommandResult>(
  caller: Caller,
  scope: string,
  telegramId: bigint,
  body: object,
  work: (context: CommandContext) => Promise<A>,
): Promise<A> {
  return inTransaction(caller.db, async (tx) => {
    await requireKeyNotInFlight(tx, scope, caller);
    const customerId = await lockCustomer(tx, telegramId);
    return withIdempotencyKey(tx, scope, caller, { telegramId, ...body }, async () =>
      work(
        await readCommandContext(tx, caller.actor, customerId, caller.key, toTimeUse(scope, body)),
      ),
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

function toTimeUse(scope: string, body: object): TimeUse {
  // A revocation ends the access at once. With a refund, it also prices the rest of the period.
  const isRevocation = scope === 'revoke' && (body as { refund?: unknown }).refund === undefined;
  return isRevocation || timeless.has(scope) ? 'record' : 'period';
}

/**
 * The time of a command.
 * @throws Fault `clock_suspect` for a command with a period; `commits_lost` for any command
 */
async function readCommandTime(tx: Tx, use: TimeUse): Promise<Instant> {
  const reading = await readClockReading(tx);
  const { trust, now } = reading;
  if (use === 'list') return now;
  if (trust.kind === 'suspect') {
    if (use !== 'record' || trust.cause === 'commits_lost') throw clockFault(trust);
  } else if (use !== 'quote') await refreshMark(tx, reading);
  return now;
}

export async function readCommandContext(
  tx: Tx,
  actor: Actor,
  customerId: CustomerId,
  key: string | undefined,
  use: TimeUse,
): Promise<CommandContext> {
  return {
    tx,
    actor,
    now: await readCommandTime(tx, use),
    settings: await readSettings(tx),
    customer: await readCustomer(tx, customerId),
    key,
  };
}

/**
 * Looks at a customer's books without touching them: one snapshot, no lock, nothing written.
 * @throws Fault `no_customer`; for a quote also `clock_suspect`, `commits_lost`
 */
export function readSnapshot<A>(
  db: Db,
  telegramId: bigint,
  work: (context: CommandContext) => Promise<A>,
  use: 'quote' | 'list' = 'quote',
): Promise<A> {
  const snapshot = db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return snapshot.execute(async (tx) => {
    const { rows } = await sql<{ id: CustomerId }>`
      SELECT id FROM perennial.customer WHERE telegram_id = ${telegramId}`.execute(tx);
    const [row] = rows;
    if (row === undefined) throw noCustomerFault(telegramId);
    return work(await readCommandContext(tx, 'quote', row.id, undefined, use));
  });
}

/** @throws Fault `in_flight`: the first request with this key has not ended, here or elsewhere */
export async function requireKeyNotInFlight(tx: Tx, scope: string, caller: Caller): Promise<void> {
  if (caller.inFlight !== 'refuse' || caller.key === undefined) return;
  const { rows } = await sql<{ free: boolean }>`
    SELECT pg_try_advisory_xact_lock(hashtextextended(${`${scope} ${toKeyOwner(caller)} ${caller.key}`}, 0)) AS free`.execute(
    tx,
  );
  if (rows[0]?.free === true) return;
  throw refused(
    'in_flight',
    `a request with the idempotency key "${caller.key}" is under way; ask again for its answer`,
  );
}

/** The owner of keys that were stored before keys had owners. Such a key still counts for all. */
const anyOwner = '?';

/** The command line has no token: its keys share one owner. */
const toKeyOwner = (caller: Caller): string => caller.keyOwner ?? '';

/** Runs `work` once for a key of an owner, and returns the stored answer after that. */
export async function withIdempotencyKey<A extends CommandResult>(
  tx: Tx,
  scope: string,
  caller: Caller,
  body: object,
  work: () => Promise<A>,
): Promise<A> {
  const { key } = caller;
  if (key === undefined) return extendResult(tx, caller, await work());
  const owner = toKeyOwner(caller);
  const fingerprint = computeFingerprint(body);
  const at = isoTime(await readClock(tx));
  // Two at once: the second waits here for the first one's commit, and then finds its row.
  const { numAffectedRows } = await sql`
    INSERT INTO perennial.idempotency (scope, key, owner, fingerprint, at)
    SELECT ${scope}, ${key}, ${owner}, ${fingerprint}, ${at}
    WHERE NOT EXISTS (SELECT FROM perennial.idempotency
      WHERE scope = ${scope} AND key = ${key} AND owner = ${anyOwner})
    ON CONFLICT (scope, key, owner) DO NOTHING`.execute(tx);
  if (numAffectedRows === 0n) {
    const stored = await findStoredResult<A>(tx, { scope, key, owner }, fingerprint);
    // None: it was so old that it was forgotten at this moment, and so it is a new one.
    return stored ?? withIdempotencyKey(tx, scope, caller, body, work);
  }
  const result = await extendResult(tx, caller, await work());
  await sql`
    UPDATE perennial.idempotency SET answer = ${JSON.stringify(result)}::json
    WHERE scope = ${scope} AND key = ${key} AND owner = ${owner}`.execute(tx);
  return result;
}

async function extendResult<A extends CommandResult>(
  tx: Tx,
  caller: Caller,
  result: A,
): Promise<A> {
  return caller.extend === undefined ? result : { ...result, ...(await caller.extend(tx, result)) };
}

async function findStoredResult<A>(
  tx: Tx,
  { scope, key, owner }: { readonly scope: string; readonly key: string; readonly owner: string },
  fingerprint: string,
): Promise<A | undefined> {
  const { rows } = await sql<{ fingerprint: string; answer: A }>`
    SELECT fingerprint, answer FROM perennial.idempotency
    WHERE scope = ${scope} AND key = ${key} AND owner IN (${owner}, ${anyOwner})`.execute(tx);
  const [stored] = rows;
  if (stored === undefined) return undefined;
  if (stored.fingerprint === fingerprint) return stored.answer;
  throw refused(
    'key_reused',
    `the idempotency key "${key}" was used for another ${scope}; a new request needs a new key`,
  );
}

/** One change of the customer's balance, with its ledger entry. */
export interface BalanceChange {
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
export async function changeBalance(
  context: CommandContext,
  change: BalanceChange,
): Promise<LedgerEntryId> {
  requireStorableBalance(context.customer, change.amountMinor);
  const [id] = (await reserveEntryIds(context.tx, 1)) as [LedgerEntryId];
  const balanceAfterMinor = context.customer.balanceMinor + change.amountMinor;
  await postEntries(
    context.tx,
    [
      {
        ...change,
        id,
        customerId: context.customer.id,
        balanceAfterMinor,
        idempotencyKey: `${change.kind}:${id}`,
      },
    ],
    context.now,
  );
  context.customer.balanceMinor = balanceAfterMinor;
  context.customer.claimMinor += change.reversal?.claimMinor ?? 0n;
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
