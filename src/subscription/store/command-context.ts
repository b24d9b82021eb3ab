import type { Db, Tx } from '../../db/connect.ts';
import type { Instant } from '../../kernel/instant.ts';
import type { Settings } from '../rules/settings.ts';
import type { Actor } from './events.ts';
import type { Customer } from './locked-customer.ts';

// The caller of a command, and the context of a command that holds the lock of a customer.

/** The database, the actor and the idempotency key of a command. */
export interface Caller {
  /** The command joins an open transaction, and takes effect only if that transaction commits. */
  readonly db: Db | Tx;
  readonly actor: Actor;
  /** The idempotency key: a repetition changes nothing. Without a key each request is a new one. */
  readonly key?: string;
  /** The id of the API token that owns the key. The same key of another owner is another key. */
  readonly keyOwner?: string;
  /** If the first request with this key is in progress: wait for it, or refuse at once. */
  readonly inFlight?: 'wait' | 'refuse';
  /** Adds fields to the answer before it is stored under the key, in the same transaction. */
  readonly extend?: (tx: Tx, answer: CommandResult) => Promise<object>;
}

/** The context of a command that holds the lock of the customer. */
export interface CommandContext {
  readonly tx: Tx;
  readonly actor: Actor;
  readonly now: Instant;
  readonly settings: Settings;
  readonly customer: Customer;
  readonly key: string | undefined;
}

/** The context of set-based writes. The transaction holds the rows of the customers. */
export type WriteContext = Pick<CommandContext, 'tx' | 'now' | 'settings' | 'actor'>;

/** An answer as it is stored and printed: plain JSON, with money as text in major units. */
export type CommandResult = Readonly<Record<string, string | number | boolean | null>>;
