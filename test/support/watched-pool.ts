import type pg from 'pg';

// A watch over a pool. The audited worker used a connection after its release, and held one during
// a call to a node (matrix F1). The watch of each test database finds the first fault. Gateways
// that are called through `duringCall` report the second one.

/** A client between its checkout and its release. */
interface Checkout {
  statements: number;
  pending: number;
}

export interface PoolWatch {
  /** Descriptions of the violations. */
  readonly violations: string[];
  /** Makes a call to a network. No connection of this pool may be held during the call. */
  duringCall<T>(what: string, network: () => Promise<T>): Promise<T>;
}

type QueryFunction = (...args: unknown[]) => unknown;

export function watchPool(pool: pg.Pool): PoolWatch {
  const violations: string[] = [];
  const checkouts = new Map<unknown, Checkout>();
  pool.on('acquire', (client) => checkouts.set(client, { statements: 0, pending: 0 }));
  pool.on('release', (_error, client) => checkouts.delete(client));
  pool.on('connect', (client) => {
    const originalQuery = (client.query as QueryFunction).bind(client);
    const watchedQuery: QueryFunction = (...args) => {
      const checkout = checkouts.get(client);
      if (checkout === undefined) violations.push(`used after its release: ${toText(args[0])}`);
      const answer = originalQuery(...args);
      if (checkout === undefined) return answer;
      checkout.statements += 1;
      if (answer instanceof Promise) {
        checkout.pending += 1;
        const finish = () => {
          checkout.pending -= 1;
        };
        answer.then(finish, finish);
      }
      return answer;
    };
    Object.assign(client, { query: watchedQuery });
  });
  return {
    violations,
    async duringCall(what, network) {
      const before = [...checkouts].map(([client, checkout]) => ({
        client,
        stay: checkout,
        at: checkout.statements,
      }));
      try {
        return await network();
      } finally {
        // A statement that has just received a client, or that is between two queries, continues
        // within this turn of the event loop.
        await new Promise((resolve) => setImmediate(resolve));
        for (const { client, stay: checkout, at } of before) {
          const idle = checkout.pending === 0 && checkout.statements === at;
          if (checkouts.get(client) === checkout && idle)
            violations.push(`held across the network: ${what}`);
        }
      }
    },
  };
}

function toText(query: unknown): string {
  const text = typeof query === 'string' ? query : (query as { text?: unknown } | undefined)?.text;
  return String(text ?? 'a stream').slice(0, 100);
}
