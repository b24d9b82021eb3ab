import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../src/db/connect.ts';
import { Fault } from '../../src/kernel/faults.ts';
import type { PeriodId, SubscriptionId } from '../../src/kernel/ids.ts';
import { instant } from '../../src/kernel/instant.ts';
import { adjust, topUp } from '../../src/subscription/balance.ts';
import { purchase } from '../../src/subscription/buying.ts';
import { setCustomer } from '../../src/subscription/customers.ts';
import { grant, revoke, setAutoRenew } from '../../src/subscription/granting.ts';
import { changePlan } from '../../src/subscription/plan-change.ts';
import { refund } from '../../src/subscription/refunding.ts';
import { reissue } from '../../src/subscription/reissuing.ts';
import { changeTerms } from '../../src/subscription/terms-change.ts';
import { startTrial } from '../../src/subscription/trial.ts';
import { type Command, iso, type Told, type Which } from './commands.ts';
import { type CustomerRows, placesIn } from './read-books.ts';

// Asks the program for what a command of the model says, and gives its answer in the model's words.

/** Ids of a customer's rows by their place, when a group of commands begins. */
export interface Ids {
  readonly telegramId: bigint;
  readonly customerId: number;
  readonly subs: readonly number[];
  readonly periods: readonly number[];
}

/** The program's own answer; places are known once the group is done. */
export type Answered =
  | { readonly ok: Readonly<Record<string, unknown>> }
  | { readonly refused: readonly string[] };

/** An id that no row has. */
const nobodys = 9_000_000_000_000_000;

export async function ask(
  db: Db,
  ids: Ids,
  command: Command,
  key: string,
  now: number,
): Promise<Answered> {
  try {
    return { ok: await send(db, ids, command, key, now) };
  } catch (error) {
    if (error instanceof Fault && error.kind === 'permanent') return { refused: [error.code] };
    throw error;
  }
}

async function send(
  db: Db,
  ids: Ids,
  command: Command,
  key: string,
  now: number,
): Promise<Readonly<Record<string, unknown>>> {
  const call = { db, actor: 'model', key };
  const { telegramId } = ids;
  const one = 'sub' in command ? which(ids, command.sub) : {};
  switch (command.do) {
    case 'set': {
      const { vip, discount } = command;
      return setCustomer(call, {
        telegramId,
        ...(vip === undefined ? {} : { vip }),
        ...(discount === undefined ? {} : { discountPercent: discount }),
      });
    }
    case 'top-up':
      return topUp(call, { telegramId, amountMinor: BigInt(command.amount) });
    case 'adjust':
      return adjust(call, { telegramId, amountMinor: BigInt(command.amount), reason: 'model' });
    case 'purchase':
      return purchase(call, {
        telegramId,
        ...one,
        plan: command.plan,
        periodDays: command.days,
        isNew: command.sub === 'new',
        ...(command.autoRenew === undefined ? {} : { autoRenew: command.autoRenew }),
      });
    case 'change-plan': {
      const { plan, days, when, forfeit } = command;
      return changePlan(call, { telegramId, ...one, plan, periodDays: days, when, forfeit });
    }
    case 'refund': {
      const periodId = BigInt(ids.periods[command.period] ?? nobodys) as PeriodId;
      const { part, keepAutoRenew } = command;
      return refund(call, { telegramId, periodId, part, keepAutoRenew });
    }
    case 'grant': {
      const gift = command.sub === 'new' ? { newPlan: command.plan } : one;
      return grant(call, { telegramId, days: command.days, ...gift });
    }
    case 'revoke': {
      const money = command.refund === undefined ? {} : { refund: command.refund };
      return revoke(call, { telegramId, ...one, ...money, reason: 'model' });
    }
    case 'reissue':
      return reissue(call, { telegramId, ...one });
    case 'auto-renew':
      return setAutoRenew(call, { telegramId, ...one, on: command.on });
    case 'trial':
      return startTrial(call, { telegramId });
    case 'expire':
      return inTransaction(db, (tx) => expire(tx, ids.customerId, now));
  }
}

function which(ids: Ids, sub: Which): { subscriptionId?: SubscriptionId } {
  if (typeof sub !== 'number') return {};
  return { subscriptionId: BigInt(ids.subs[sub] ?? nobodys) as SubscriptionId };
}

async function lock(tx: Tx, customerId: number): Promise<void> {
  await sql`SELECT FROM perennial.customer WHERE id = ${customerId} FOR NO KEY UPDATE`.execute(tx);
}

/** Set-up: new terms come into force and what is past its end ends, as expiry leaves it. */
async function expire(tx: Tx, customer: number, now: number): Promise<Record<string, never>> {
  await lock(tx, customer);
  const { rows } = await sql<{ id: SubscriptionId }>`
    SELECT id FROM perennial.subscription
    WHERE customer_id = ${customer} AND state = 'active' AND changes_at <= ${iso(now)}
    ORDER BY id`.execute(tx);
  const ids = rows.map(({ id }) => id);
  await changeTerms(tx, ids, 'model', instant(now));
  await sql`
    WITH ended AS (
      UPDATE perennial.subscription SET state = 'expired', next_try_at = 'infinity'
      WHERE customer_id = ${customer} AND state = 'active' AND expires_at <= ${iso(now)}
      RETURNING id)
    UPDATE perennial.credential SET retired_at = ${iso(now)}
    WHERE retired_at IS NULL AND subscription_id IN (SELECT id FROM ended)`.execute(tx);
  return {};
}

/** What an answer says beyond the customer's own particulars. */
const unsaid = new Set([
  'telegram_id',
  'currency',
  'id',
  'locale',
  'time_zone',
  'reachable',
  'sub_token',
]);

/** An answer with places instead of ids. */
export function inPlaces(answered: Answered, rows: CustomerRows): Told {
  if ('refused' in answered) return answered;
  const places = placesIn(rows);
  const said = Object.entries(answered.ok).filter(([name]) => !unsaid.has(name));
  return {
    ok: Object.fromEntries(
      said.map(([name, value]) => {
        if (name === 'subscription_id') return [name, places.sub(Number(value))];
        if (name === 'period_id') return [name, places.period(Number(value))];
        if (name === 'ledger_entry_id') return [name, places.entry(Number(value))];
        return [name, value];
      }),
    ),
  };
}
