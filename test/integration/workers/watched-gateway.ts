import { AsyncLocalStorage } from 'node:async_hooks';
import { ConnectionBuilder, TransactionBuilder } from 'kysely';
import type { TestDatabase } from '../../support/database.ts';

// Gateways for tests of promise 8: the real one, behind a watch that fails every call which is made
// from inside a transaction, on the pool or on a connection of its own, and notes every one during
// which a connection of the pool was held. For a node's API, and for whatever else is on a network
// and has methods.

export interface GatewayWatch {
  /** The gateway, watched. What isn't asynchronous (`close`) is left alone. */
  watchGateway<T extends object>(gateway: T): T;
  /** How often each method was called. */
  readonly calls: Readonly<Record<string, number>>;
  /** What was wrong, in words. */
  readonly violations: readonly string[];
}

/** Set for whatever is done, at once or later, by work that was given a transaction or connection. */
const heldScope = new AsyncLocalStorage<string>();

type Execute = (work: (held: unknown) => Promise<unknown>) => Promise<unknown>;

for (const [builder, what] of [
  [TransactionBuilder, 'transaction'],
  [ConnectionBuilder, 'connection'],
] as const) {
  const prototype = builder.prototype as unknown as { execute: Execute };
  const { execute } = prototype;
  prototype.execute = function (work) {
    return execute.call(this, (held) => heldScope.run(what, () => work(held)));
  };
}

export function createGatewayWatch({ watch }: Pick<TestDatabase, 'watch'>): GatewayWatch {
  const calls: Record<string, number> = {};

  async function watchCall<T>(what: string, call: () => Promise<T>): Promise<T> {
    calls[what] = (calls[what] ?? 0) + 1;
    const held = heldScope.getStore();
    if (held === undefined) return watch.duringCall(what, call);
    const violation = `${what} was called inside a ${held}`;
    watch.violations.push(violation);
    throw new Error(violation);
  }

  /** The network is asked for the first of its elements; the others are there already. */
  async function* watchElements<T>(what: string, all: AsyncIterable<T>): AsyncGenerator<T> {
    const elements = all[Symbol.asyncIterator]();
    let next = await watchCall(what, () => elements.next());
    for (; next.done !== true; next = await elements.next()) yield next.value;
  }

  return {
    calls,
    violations: watch.violations,
    watchGateway: (gateway) =>
      new Proxy(gateway, {
        get(target, name) {
          const method: unknown = Reflect.get(target, name);
          if (typeof method !== 'function' || name === 'close') return method;
          const what = String(name);
          return (...args: unknown[]) => {
            const call = () => Reflect.apply(method, target, args);
            if (!what.startsWith('list')) return watchCall(what, call);
            return watchElements(what, call() as AsyncIterable<unknown>);
          };
        },
      }),
  };
}
