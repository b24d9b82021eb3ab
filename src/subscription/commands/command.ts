import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { refreshMark } from '../../db/clock-mark.ts';
import { type Db, inSnapshot, inTransaction, type Tx } from '../../db/connect.ts';
import { createClockFault, readClockReading } from '../../db/trusted-time.ts';
import { refused } from '../../kernel/faults.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import type { Instant } from '../../kernel/instant.ts';
import type { Caller, CommandContext, CommandResult } from '../store/command-context.ts';
import { type Actor, toDetailJson } from '../store/events.ts';
import {
  createNoCustomerFault,
  lockCustomer,
  readCustomerAndSettings,
} from '../store/locked-customer.ts';

// The steps of every command that moves money or rights, in one transaction:
//
// 1. Lock the customer (rule 1), then read the facts.
// 2. Check the idempotency key. The same key with the same body returns the first result, byte for
//    byte, and changes nothing. Another body is refused (matrix R16).
// 3. Change money or rights, and store the result under the key.

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

/** Commands with the same effect at any time. All others start, end or price a period. */
const timeless: ReadonlySet<string> = new Set([
  'top-up',
  'adjust',
  'set',
  'auto-renew',
  'reissue',
  'move-payment',
  'waive-claim',
  'block',
  'unblock',
]);

type TimeUse = 'period' | 'record' | 'quote' | 'list';

function toTimeUse(scope: string, body: object): TimeUse {
  // A revocation ends access now. With a refund it also prices the rest of the period.
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
    if (use !== 'record' || trust.cause === 'commits_lost') throw createClockFault(trust);
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
  const now = await readCommandTime(tx, use);
  const { customer, settings } = await readCustomerAndSettings(tx, customerId);
  return { tx, actor, now, settings, customer, key };
}

/**
 * Reads one snapshot of a customer, without a lock and without a change.
 * @throws Fault `no_customer`; for a quote also `clock_suspect`, `commits_lost`
 */
export function readSnapshot<A>(
  db: Db,
  telegramId: bigint,
  work: (context: CommandContext) => Promise<A>,
  use: 'quote' | 'list' = 'quote',
): Promise<A> {
  return inSnapshot(db, async (tx) => {
    const { rows } = await sql<{ id: CustomerId }>`
      SELECT id FROM perennial.customer WHERE telegram_id = ${telegramId}`.execute(tx);
    const [row] = rows;
    if (row === undefined) throw createNoCustomerFault(telegramId);
    return work(await readCommandContext(tx, 'quote', row.id, undefined, use));
  });
}

/** @throws Fault `in_flight`: the first request with this key is in progress, here or elsewhere */
export async function requireKeyNotInFlight(tx: Tx, scope: string, caller: Caller): Promise<void> {
  if (caller.inFlight !== 'refuse' || caller.key === undefined) return;
  const { rows } = await sql<{ free: boolean }>`
    SELECT pg_try_advisory_xact_lock(hashtextextended(${`${scope} ${toKeyOwner(caller)} ${caller.key}`}, 0)) AS free`.execute(
    tx,
  );
  if (rows[0]?.free === true) return;
  throw refused(
    'in_flight',
    `a request with the idempotency key "${caller.key}" is in progress; send it again for its answer`,
  );
}

/** The owner of keys from before keys had owners. Such a key still counts for all owners. */
const anyOwner = '?';

/** The command line has no token: its keys share one owner. */
const toKeyOwner = (caller: Caller): string => caller.keyOwner ?? '';

/** Runs `work` once for a key of an owner. Later calls return the stored answer. */
export async function withIdempotencyKey<A extends object>(
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
  // The second of two transactions waits here for the commit of the first, and then finds its row.
  const { numAffectedRows } = await sql`
    INSERT INTO perennial.idempotency (scope, key, owner, fingerprint, at)
    SELECT ${scope}, ${key}, ${owner}, ${fingerprint}, perennial.clock()
    WHERE NOT EXISTS (SELECT FROM perennial.idempotency
      WHERE scope = ${scope} AND key = ${key} AND owner = ${anyOwner})
    ON CONFLICT (scope, key, owner) DO NOTHING`.execute(tx);
  if (numAffectedRows === 0n) {
    const stored = await findStoredResult<A>(tx, { scope, key, owner }, fingerprint);
    // No row: the old key was deleted at this moment, so it counts as a new one.
    return stored ?? withIdempotencyKey(tx, scope, caller, body, work);
  }
  const result = await extendResult(tx, caller, await work());
  await sql`
    UPDATE perennial.idempotency SET answer = ${JSON.stringify(result)}::json
    WHERE scope = ${scope} AND key = ${key} AND owner = ${owner}`.execute(tx);
  return result;
}

async function extendResult<A extends object>(tx: Tx, caller: Caller, result: A): Promise<A> {
  const { extend } = caller;
  return extend === undefined
    ? result
    : { ...result, ...(await extend(tx, result as CommandResult)) };
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
