import { sql } from 'kysely';
import { inTransaction, type Tx } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import type { Caller, CommandContext, CommandResult } from '../store/command-context.ts';
import { findCustomerId } from '../store/locked-customer.ts';
import { readCommandContext, requireKeyNotInFlight, withIdempotencyKey } from './command.ts';

// A transaction with the locks of two customers.
//
// Rule 1: a transaction never waits for a customer while it holds another one.
//
// 1. Wait for the lock of the first customer. The transaction holds no other one.
// 2. Take the lock of the second customer only if it is free (`SKIP LOCKED`).
// 3. If it is not free, roll back to the savepoint, which frees the first customer. Then start
//    again with the second customer as the first one.

const attemptsMax = 50;

/**
 * Runs `work` with both customers locked.
 * @throws Fault `no_customer`; `busy` if another transaction has locked one of the customers; the
 *   faults of `withLockedCustomer`
 */
export function withTwoLockedCustomers<A extends CommandResult>(
  caller: Caller,
  scope: string,
  [from, to]: readonly [bigint, bigint],
  body: object,
  work: (from: CommandContext, to: CommandContext) => Promise<A>,
): Promise<A> {
  return inTransaction(caller.db, async (tx) => {
    await requireKeyNotInFlight(tx, scope, caller);
    const ids = [await findCustomerId(tx, from), await findCustomerId(tx, to)] as const;
    await lockBoth(tx, ids);
    return withIdempotencyKey(tx, scope, caller, body, async () => {
      const use = 'record';
      const [one, other] = [
        await readCommandContext(tx, caller.actor, ids[0], caller.key, use),
        await readCommandContext(tx, caller.actor, ids[1], caller.key, use),
      ];
      return work(one, { ...other, now: one.now });
    });
  });
}

async function lockBoth(tx: Tx, [from, to]: readonly [CustomerId, CustomerId]): Promise<void> {
  let [first, second] = [from, to];
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    await sql`SAVEPOINT before_customers`.execute(tx);
    await sql`SELECT FROM perennial.customer WHERE id = ${first} FOR NO KEY UPDATE`.execute(tx);
    const { rows } = await sql`
      SELECT id FROM perennial.customer WHERE id = ${second}
      FOR NO KEY UPDATE SKIP LOCKED`.execute(tx);
    if (rows.length === 1) return;
    await sql`ROLLBACK TO SAVEPOINT before_customers`.execute(tx);
    [first, second] = [second, first];
  }
  throw new Fault(
    'transient',
    'busy',
    'other commands change these customers now; send the request again',
  );
}
