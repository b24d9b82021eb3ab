import type pg from 'pg';

// The audited worker went on with a connection that it had given back, and held one while it talked
// to a node (matrix F1). Every test's books are watched for the first (`freshBooks`); gateways that
// are called through `outside` tell of the second.

/** A client from the moment at which somebody got it until it was given back. */
interface Checkout {
  statements: number;
  pending: number;
}

export interface PoolWatch {
  /** What was done that must not be, in words. */
  readonly violations: string[];
  /** Calls somebody on the network, with no connection of this pool held meanwhile. */
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
        // Who had just got one, or was between two statements, goes on within this turn.
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
