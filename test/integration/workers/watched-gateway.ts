import { AsyncLocalStorage } from 'node:async_hooks';
import { ConnectionBuilder, TransactionBuilder } from 'kysely';
import type { TestDatabase } from '../../support/database.ts';

// Gateways for tests of promise 8: the real gateway behind a watch.
//
// The watch fails every call inside a transaction, on the pool or on a separate connection. It also
// records every call during which a connection of the pool was held. It works for the API of a
// node, and for any other gateway with methods.

export interface GatewayWatch {
  /** The gateway with a watch. Synchronous methods (`close`) are left alone. */
  watchGateway<T extends object>(gateway: T): T;
  /** The number of calls of each method. */
  readonly calls: Readonly<Record<string, number>>;
  /** A description of each violation. */
  readonly violations: readonly string[];
}

/** Set for all work, now or later, that was given a transaction or a connection. */
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

  /** The first element needs the network. The others are there already. */
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
