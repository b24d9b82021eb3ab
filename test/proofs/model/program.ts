import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../../src/db/connect.ts';
import { Fault } from '../../../src/kernel/faults.ts';
import type { PeriodId, SubscriptionId } from '../../../src/kernel/ids.ts';
import { instant } from '../../../src/kernel/instant.ts';
import { adjustBalance } from '../../../src/subscription/commands/adjust.ts';
import { setAutoRenew } from '../../../src/subscription/commands/auto-renew.ts';
import { blockCustomer, unblockCustomer } from '../../../src/subscription/commands/block.ts';
import { changePlan } from '../../../src/subscription/commands/change-plan.ts';
import { applyChargeback } from '../../../src/subscription/commands/chargeback.ts';
import { setCustomer } from '../../../src/subscription/commands/customer.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import { movePayment } from '../../../src/subscription/commands/move-payment.ts';
import { purchase } from '../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../src/subscription/commands/refund.ts';
import { reissue } from '../../../src/subscription/commands/reissue.ts';
import { revoke } from '../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../src/subscription/commands/top-up.ts';
import { startTrial } from '../../../src/subscription/commands/trial.ts';
import { writeNotifiedPrice } from '../../../src/subscription/store/known-prices.ts';
import { changeTerms } from '../../../src/subscription/store/terms-change.ts';
import { toMajor } from '../../support/customer-model.ts';
import { type CustomerRows, indexPlaces } from '../../support/customer-rows.ts';
import { type Command, type CommandAnswer, type SubscriptionChoice, toIso } from './commands.ts';

// Runs commands of the model on the program, and converts its answers to those of the model.

/** Ids of the rows of a customer by index, at the start of a group of commands. */
export interface RowIds {
  readonly telegramId: bigint;
  readonly customerId: number;
  readonly subs: readonly number[];
  readonly periods: readonly number[];
}

/** The answer of the program. Indexes are known after the group. */
export type ProgramAnswer =
  | { readonly ok: Readonly<Record<string, unknown>> }
  | { readonly refused: readonly string[] };

/** An id without a row. */
const unknownId = 9_000_000_000_000_000;

export async function applyToProgram(
  db: Db,
  ids: RowIds,
  command: Command,
  key: string,
  now: number,
): Promise<ProgramAnswer> {
  try {
    return { ok: await runCommand(db, ids, command, key, now) };
  } catch (error) {
    if (error instanceof Fault && error.kind === 'permanent') return { refused: [error.code] };
    throw error;
  }
}

async function runCommand(
  db: Db,
  ids: RowIds,
  command: Command,
  key: string,
  now: number,
): Promise<Readonly<Record<string, unknown>>> {
  const call = { db, actor: 'model', key };
  const { telegramId } = ids;
  const one = 'sub' in command ? toSubscriptionId(ids, command.sub) : {};
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
      return topUp(call, { telegramId, ...toMoney(command.amount, command.payment, key) });
    case 'adjust':
      return adjustBalance(call, {
        telegramId,
        amountMinor: BigInt(command.amount),
        reason: 'model',
      });
    case 'purchase':
      return purchase(call, {
        telegramId,
        ...one,
        plan: command.plan,
        periodDays: command.days,
        isNew: command.sub === 'new',
        ...(command.autoRenew === undefined ? {} : { autoRenew: command.autoRenew }),
        ...(command.pay === undefined
          ? {}
          : { payment: toMoney(command.pay.amount, command.pay.payment, key) }),
      });
    case 'chargeback':
      return applyChargeback(call, {
        telegramId,
        ...toProviderPayment(command.payment, key),
        dispute: command.dispute,
      });
    case 'change-plan': {
      const { plan, days, when, forfeit } = command;
      return changePlan(call, { telegramId, ...one, plan, periodDays: days, when, forfeit });
    }
    case 'refund': {
      const periodId = BigInt(ids.periods[command.period] ?? unknownId) as PeriodId;
      const { part, keepAutoRenew, payout } = command;
      return refund(call, { telegramId, periodId, part, keepAutoRenew, payout });
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
    case 'block': {
      const { subscriptions } = await blockCustomer(call, { telegramId, reason: 'model' });
      return { subscriptions };
    }
    case 'unblock': {
      const { subscriptions } = await unblockCustomer(call, { telegramId, reason: 'model' });
      return { subscriptions };
    }
    case 'expire':
      return inTransaction(db, (tx) => expireCustomer(tx, ids.customerId, now));
    case 'notify':
      return inTransaction(db, (tx) => storeMessage(tx, ids, command, now));
    case 'move-out':
    case 'move-in':
      throw new Error('a payment moves by one command for both customers');
  }
}

/** The program accepts any case of a provider, so it varies here. */
function toProviderPayment(payment: string, key: string) {
  const [provider = '', providerRef = ''] = payment.split('/');
  const isLoud = Number(key.at(-1)) % 3 === 1;
  return { provider: isLoud ? provider.toUpperCase() : provider, providerRef };
}

const toMoney = (amount: number, payment: string | undefined, key: string) => ({
  amountMinor: BigInt(amount),
  ...(payment === undefined ? {} : toProviderPayment(payment, key)),
});

/** Moves a payment. @returns the answers for the two customers */
export async function movePaymentInProgram(
  db: Db,
  [from, to]: readonly [bigint, bigint],
  { payment, withClaim }: { readonly payment: string; readonly withClaim: boolean },
  key: string,
): Promise<readonly [ProgramAnswer, ProgramAnswer]> {
  try {
    const call = { db, actor: 'model', key };
    const answer = await movePayment(call, {
      ...toProviderPayment(payment, key),
      from,
      to,
      withClaim,
    });
    const { amount, from_balance, from_claim, out_entry_id, ...rest } = answer;
    const { to_balance, claim_paid, claim, ledger_entry_id } = rest;
    return [
      { ok: { amount, from_balance, from_claim, out_entry_id } },
      { ok: { to_balance, claim_paid, claim, ledger_entry_id } },
    ];
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'permanent') throw error;
    return [{ refused: [error.code] }, { refused: [error.code] }];
  }
}

/** Set-up: a message about the price of today was sent, as the courier stores it. */
async function storeMessage(
  tx: Tx,
  ids: RowIds,
  { amount, sub }: Extract<Command, { do: 'notify' }>,
  now: number,
): Promise<Record<string, never>> {
  await lockCustomer(tx, ids.customerId);
  const { rows } = await sql<{ id: bigint }>`
    INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, next_attempt_at, created_at)
    SELECT customer_id, id, 'telegram', 'price_change', 'model', jsonb_build_object('plan',
      coalesce(next_plan, plan), 'period_days', coalesce(next_period_days, period_days),
      'new_price', ${toMajor(amount)}::text), ${toIso(now)}, ${toIso(now)}
    FROM perennial.subscription WHERE id = ${ids.subs[sub]} AND state <> 'revoked'
    RETURNING id`.execute(tx);
  const id = rows[0]?.id;
  if (id === undefined) return {};
  await writeNotifiedPrice(tx, id, 'price_change', instant(now));
  await sql`DELETE FROM perennial.notification WHERE id = ${id}`.execute(tx);
  return {};
}

function toSubscriptionId(
  ids: RowIds,
  sub: SubscriptionChoice,
): { subscriptionId?: SubscriptionId } {
  if (typeof sub !== 'number') return {};
  return { subscriptionId: BigInt(ids.subs[sub] ?? unknownId) as SubscriptionId };
}

async function lockCustomer(tx: Tx, customerId: number): Promise<void> {
  await sql`SELECT FROM perennial.customer WHERE id = ${customerId} FOR NO KEY UPDATE`.execute(tx);
}

/**
 * Set-up: new terms come into force, and subscriptions past their end expire, as expiry does it.
 */
async function expireCustomer(
  tx: Tx,
  customer: number,
  now: number,
): Promise<Record<string, never>> {
  await lockCustomer(tx, customer);
  const { rows } = await sql<{ id: SubscriptionId }>`
    SELECT id FROM perennial.subscription
    WHERE customer_id = ${customer} AND state = 'active' AND changes_at <= ${toIso(now)}
    ORDER BY id`.execute(tx);
  const ids = rows.map(({ id }) => id);
  await changeTerms(tx, ids, 'model', instant(now));
  await sql`
    WITH ended AS (
      UPDATE perennial.subscription SET state = 'expired', next_try_at = 'infinity'
      WHERE customer_id = ${customer} AND state = 'active' AND expires_at <= ${toIso(now)}
      RETURNING id)
    UPDATE perennial.credential SET retired_at = ${toIso(now)}
    WHERE retired_at IS NULL AND subscription_id IN (SELECT id FROM ended)`.execute(tx);
  return {};
}

/** Fields of an answer that do not belong to the state of the customer. */
const ignoredFields = new Set([
  'telegram_id',
  'currency',
  'id',
  'locale',
  'time_zone',
  'reachable',
  'sub_token',
  'provider',
  'provider_ref',
]);

/** An answer with indexes instead of ids. */
export function toPlaces(answer: ProgramAnswer, rows: CustomerRows): CommandAnswer {
  if ('refused' in answer) return answer;
  const places = indexPlaces(rows);
  const fields = Object.entries(answer.ok).filter(([name]) => !ignoredFields.has(name));
  return {
    ok: Object.fromEntries(
      fields.map(([name, value]) => {
        if (name === 'subscription_id') return [name, places.sub(Number(value))];
        if (name === 'period_id') return [name, places.period(Number(value))];
        if (name === 'ledger_entry_id' || name === 'out_entry_id')
          return [name, places.entry(Number(value))];
        return [name, value];
      }),
    ),
  };
}
