import { AsyncLocalStorage } from 'node:async_hooks';
import { ConnectionBuilder, TransactionBuilder } from 'kysely';
import type { Books } from './books.ts';

// Gateways for tests of promise 8: the real one, behind a watch that fails every call which is made
// from inside a transaction, on the pool or on a connection of its own, and notes every one during
// which a connection of the pool was held. For a node's API, and for whatever else is on a network
// and has methods.

export interface Outside {
  /** The gateway, watched. What isn't asynchronous (`close`) is left alone. */
  through<T extends object>(gateway: T): T;
  /** How often each method was called. */
  readonly calls: Readonly<Record<string, number>>;
  /** What was wrong, in words. */
  readonly wrongs: readonly string[];
}

/** Set for whatever is done, at once or later, by work that was given a transaction or connection. */
const inside = new AsyncLocalStorage<string>();

type Execute = (work: (held: unknown) => Promise<unknown>) => Promise<unknown>;

for (const [builder, what] of [
  [TransactionBuilder, 'transaction'],
  [ConnectionBuilder, 'connection'],
] as const) {
  const prototype = builder.prototype as unknown as { execute: Execute };
  const { execute } = prototype;
  prototype.execute = function (work) {
    return execute.call(this, (held) => inside.run(what, () => work(held)));
  };
}

export function outside({ watch }: Pick<Books, 'watch'>): Outside {
  const calls: Record<string, number> = {};

  async function watched<T>(what: string, call: () => Promise<T>): Promise<T> {
    calls[what] = (calls[what] ?? 0) + 1;
    const held = inside.getStore();
    if (held === undefined) return watch.across(what, call);
    const wrong = `${what} was called inside a ${held}`;
    watch.wrongs.push(wrong);
    throw new Error(wrong);
  }

  /** The network is asked for the first of its elements; the others are there already. */
  async function* watchedAll<T>(what: string, all: AsyncIterable<T>): AsyncGenerator<T> {
    const elements = all[Symbol.asyncIterator]();
    let next = await watched(what, () => elements.next());
    for (; next.done !== true; next = await elements.next()) yield next.value;
  }

  return {
    calls,
    wrongs: watch.wrongs,
    through: (gateway) =>
      new Proxy(gateway, {
        get(target, name) {
          const method: unknown = Reflect.get(target, name);
          if (typeof method !== 'function' || name === 'close') return method;
          const what = String(name);
          return (...args: unknown[]) => {
            const call = () => Reflect.apply(method, target, args);
            if (!what.startsWith('list')) return watched(what, call);
            return watchedAll(what, call() as AsyncIterable<unknown>);
          };
        },
      }),
  };
}
