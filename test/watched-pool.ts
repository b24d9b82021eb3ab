import type pg from 'pg';

// The audited worker went on with a connection that it had given back, and held one while it talked
// to a node (matrix F1). Every test's books are watched for the first (`freshBooks`); gateways that
// are called through `outside` tell of the second.

/** A client from the moment at which somebody got it until it was given back. */
interface Stay {
  statements: number;
  underWay: number;
}

export interface PoolWatch {
  /** What was done that must not be, in words. */
  readonly wrongs: string[];
  /** Calls somebody on the network, with no connection of this pool held meanwhile. */
  across<T>(what: string, network: () => Promise<T>): Promise<T>;
}

type Query = (...args: unknown[]) => unknown;

export function watchPool(pool: pg.Pool): PoolWatch {
  const wrongs: string[] = [];
  const stays = new Map<unknown, Stay>();
  pool.on('acquire', (client) => stays.set(client, { statements: 0, underWay: 0 }));
  pool.on('release', (_error, client) => stays.delete(client));
  pool.on('connect', (client) => {
    const plain = (client.query as Query).bind(client);
    const watched: Query = (...args) => {
      const stay = stays.get(client);
      if (stay === undefined) wrongs.push(`used after its release: ${textOf(args[0])}`);
      const answer = plain(...args);
      if (stay === undefined) return answer;
      stay.statements += 1;
      if (answer instanceof Promise) {
        stay.underWay += 1;
        const over = () => {
          stay.underWay -= 1;
        };
        answer.then(over, over);
      }
      return answer;
    };
    Object.assign(client, { query: watched });
  });
  return {
    wrongs,
    async across(what, network) {
      const before = [...stays].map(([client, stay]) => ({ client, stay, at: stay.statements }));
      try {
        return await network();
      } finally {
        // Who had just got one, or was between two statements, goes on within this turn.
        await new Promise((resolve) => setImmediate(resolve));
        for (const { client, stay, at } of before) {
          const idle = stay.underWay === 0 && stay.statements === at;
          if (stays.get(client) === stay && idle) wrongs.push(`held across the network: ${what}`);
        }
      }
    },
  };
}

function textOf(query: unknown): string {
  const text = typeof query === 'string' ? query : (query as { text?: unknown } | undefined)?.text;
  return String(text ?? 'a stream').slice(0, 100);
}
