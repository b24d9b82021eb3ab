import { type Kysely, sql, type Transaction } from 'kysely';
import { pause } from '../kernel/timer.ts';
import type { Database } from './schema.ts';

// Wake-ups of workers, keepers and couriers by NOTIFY.
//
// PostgreSQL commits transactions with NOTIFY one after the other, because a lock of the whole
// server is held until the commit is on disk. So a server of the API defers the wake-ups. A
// transaction collects names, and after its commit one statement wakes all names of the last 50 ms.
// A lost wake-up delays the work until the next scheduled run, also after a crash in these 50 ms.

// The types of `connect.ts`, which imports this file because it opens the transactions.
type Db = Kysely<Database>;
type Tx = Transaction<Database>;

/** The PostgreSQL channel that wakes a worker of a service. */
export const wakeChannel = 'perennial_wake';

/** Too short to notice. 16 writers send 20 wake-ups a second instead of 1,000. */
const wakeIntervalMs = 50;

/** The names that the transactions of a process collected, until they are sent. */
export class DeferredWakes {
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
    const waitMs = this.#lastMs + wakeIntervalMs - performance.now();
    if (waitMs > 0) await pause(waitMs);
    const names = [...this.#names];
    this.#names = new Set();
    this.#lastMs = performance.now();
    await sql`SELECT pg_notify(${wakeChannel}, name) FROM unnest(${names}::text[]) name`
      .execute(this.#db)
      .catch(this.#onError);
    this.#sending = this.#names.size > 0 ? this.#send() : undefined;
  }
}

const wakesByDb = new WeakMap<Db, DeferredWakes>();
const namesByTx = new WeakMap<Tx, Set<string>>();

/** Defers the wake-ups of all later transactions of this `Db` until after their commits. */
export function deferWakes(db: Db, onError: (error: unknown) => void): DeferredWakes {
  const deferredWakes = new DeferredWakes(db, onError);
  wakesByDb.set(db, deferredWakes);
  return deferredWakes;
}

/** Opens a transaction by `run`, and wakes after it. Only for `inTransaction`. */
export async function wakeAfterCommit<T>(
  db: Db,
  run: (begin: (tx: Tx) => void) => Promise<T>,
): Promise<T> {
  const deferredWakes = wakesByDb.get(db);
  if (deferredWakes === undefined) return run(() => undefined);
  const names = new Set<string>();
  const result = await run((tx) => void namesByTx.set(tx, names));
  deferredWakes.add(names);
  return result;
}

/** Wakes the worker at the commit. After a lost wake-up, work waits for the next scheduled run. */
export async function wakeWorker(tx: Tx, worker: string): Promise<void> {
  const names = namesByTx.get(tx);
  if (names !== undefined) names.add(worker);
  else await sql`SELECT pg_notify(${wakeChannel}, ${worker})`.execute(tx);
}
