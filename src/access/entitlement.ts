import { type RawBuilder, sql } from 'kysely';

// The entitlement as SQL: the rule that decides which credential may connect to which node.
//
// 1. The credential is not retired.
// 2. Its subscription is active. `expires_at` does not count, because fast-expiry-cleanup first
//    tries to renew (promise 4). Then it expires the subscription and retires the credential.
// 3. The plan of the subscription and the node have a group in common.
//
// All statements of the program use these fragments. The audit and the proofs repeat the rule on
// purpose: otherwise a fault here would hide itself.

/** Names of the tables in a statement. The default is the first letter of the table. */
interface EntitlementTables {
  readonly credential?: string;
  readonly subscription?: string;
  readonly plan?: string;
  readonly node?: string;
}

/** Statements 1 and 2: the credential may connect to the nodes of its plan. */
export function isLive({
  credential = 'c',
  subscription = 's',
}: EntitlementTables = {}): RawBuilder<boolean> {
  return sql`(${sql.ref(`${credential}.retired_at`)} IS NULL
    AND ${sql.ref(`${subscription}.state`)} = 'active')`;
}

/** Statement 3: the plan opens the node. */
export function opensNode({ plan = 'p', node = 'n' }: EntitlementTables = {}): RawBuilder<boolean> {
  return sql`(${sql.ref(`${plan}.groups`)} && ${sql.ref(`${node}.groups`)})`;
}

/** The whole rule. */
export function isEntitled(tables: EntitlementTables = {}): RawBuilder<boolean> {
  return sql`(${isLive(tables)} AND ${opensNode(tables)})`;
}
