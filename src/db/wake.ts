import { type Kysely, sql, type Transaction } from 'kysely';
import type { Books } from './schema.ts';

// Wake-ups of workers, keepers and couriers by NOTIFY.
//
// PostgreSQL commits transactions with NOTIFY one after the other: a lock of the whole server is
// held until the commit is on disk. So a server of the API defers them: a transaction only collects
// names, and after its commit one statement wakes all that were collected in the last 50 ms. A
// wake-up that is lost costs a tick's time, also if the process dies in these 50 ms.

// As `connect.ts` names them; it opens the transactions, so it imports this file.
type Db = Kysely<Books>;
type Tx = Transaction<Books>;

/** PostgreSQL's channel on which a service hears that a worker has something to do. */
export const wakeChannel = 'perennial_wake';

/** A person does not notice it, and 16 writers make 20 notifications a second instead of 1,000. */
const gatherMs = 50;

/** The names that the transactions of a process collected, until they are sent. */
export class Wakes {
  readonly #db: Db;
  readonly #onError: (error: unknown) => void;
  #names = new Set<string>();
  #sending: Promise<void> | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(db: Db, onError: (error: unknown) => void) {
    this.#db = db;
    this.#onError = onError;
  }

  /** After the commit. The first ones are sent at once. */
  add(names: ReadonlySet<string>): void {
    for (const name of names) this.#names.add(name);
    if (this.#names.size > 0) this.#sending ??= this.#send();
  }

  /** Resolves when nothing is left to send. */
  async flush(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  async #send(): Promise<void> {
    const waitMs = this.#lastMs + gatherMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const names = [...this.#names];
    this.#names = new Set();
    this.#lastMs = performance.now();
    await sql`SELECT pg_notify(${wakeChannel}, name) FROM unnest(${names}::text[]) name`
      .execute(this.#db)
      .catch(this.#onError);
    this.#sending = this.#names.size > 0 ? this.#send() : undefined;
  }
}

const deferring = new WeakMap<Db, Wakes>();
const collected = new WeakMap<Tx, Set<string>>();

/** From now on transactions on these books wake after their commit, together. */
export function deferWakes(db: Db, onError: (error: unknown) => void): Wakes {
  const wakes = new Wakes(db, onError);
  deferring.set(db, wakes);
  return wakes;
}

/** Opens a transaction by `run`, and wakes after it. For `inTransaction` alone. */
export async function wakingAfter<T>(
  db: Db,
  run: (begin: (tx: Tx) => void) => Promise<T>,
): Promise<T> {
  const wakes = deferring.get(db);
  if (wakes === undefined) return run(() => undefined);
  const names = new Set<string>();
  const result = await run((tx) => void collected.set(tx, names));
  wakes.add(names);
  return result;
}

/** The worker is woken when the transaction commits; a wake-up that is lost costs a tick's time. */
export async function wakeWorker(tx: Tx, worker: string): Promise<void> {
  const names = collected.get(tx);
  if (names !== undefined) names.add(worker);
  else await sql`SELECT pg_notify(${wakeChannel}, ${worker})`.execute(tx);
}
