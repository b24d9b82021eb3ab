import { type Books, freshBooks } from '../books.ts';
import { hookPool, type Moment } from '../hooked-pool.ts';
import { type Rewinding, rewindable } from '../rewind.ts';

// What may go wrong with a statement that is nobody's fault, at any statement of any work.

export const passingFaults = ['connection', 'deadlock', 'timeout', 'disk'] as const;
export type PassingFault = (typeof passingFaults)[number];

export interface Broken {
  /** Counts from 1, BEGIN and COMMIT among them. */
  readonly n: number;
  /** `after`: the server did it, and its answer is lost with the connection. */
  readonly when: 'before' | 'after';
  readonly fault: PassingFault;
}

/** Books whose statements can be broken, and which can be put back. */
export interface Breakable extends AsyncDisposable {
  readonly books: Books;
  rewind(): Promise<void>;
  /** Does `work`, one of whose statements is broken; gives what it sent and what it came to. */
  doing<T>(work: () => Promise<T>, broken?: Broken): Promise<Done<T>>;
}

export interface Done<T> {
  readonly statements: readonly string[];
  /** False if the work ended before the statement that was to break. */
  readonly broke: boolean;
  readonly result: PromiseSettledResult<T>;
}

/** An error as the server reports it. */
function reported(code: string, message: string): Error {
  return Object.assign(new Error(message), { code, severity: 'ERROR' });
}

async function fail(fault: PassingFault, { client }: Moment, kept: Rewinding): Promise<void> {
  switch (fault) {
    case 'deadlock':
      throw reported('40P01', 'deadlock detected');
    case 'timeout':
      throw reported('57014', 'canceling statement due to statement timeout');
    case 'disk':
      throw reported('53100', 'could not extend file: No space left on device');
    case 'connection':
      await kept.cut((client as Moment['client'] & { processID: number }).processID);
      throw new Error('Connection terminated unexpectedly');
  }
}

/** Books that `fill` has set up. */
export async function breakable(
  fill: (books: Books) => Promise<void>,
  now: string,
): Promise<Breakable> {
  let work: { broken: Broken | undefined; readonly statements: string[] } | undefined;
  let kept: Rewinding | undefined;
  // Two connections interleave: the answer to a statement may come after the next one was sent.
  const positions = new Map<number, number>();
  const hook = async (moment: Moment) => {
    if (work === undefined || kept === undefined) return;
    const { broken, statements } = work;
    if (moment.when === 'before') positions.set(moment.n, statements.push(moment.sql));
    if (positions.get(moment.n) !== broken?.n || moment.when !== broken?.when) return;
    work.broken = undefined;
    await fail(broken.fault, moment, kept);
  };
  const books = await freshBooks({ now, wrapPool: (pool) => hookPool(pool, hook) });
  await fill(books);
  const rewinding = await rewindable(books);
  kept = rewinding;
  return {
    books,
    rewind: () => rewinding.rewind(),
    async doing(doing, broken) {
      const statements: string[] = [];
      positions.clear();
      const current = { broken, statements };
      work = current;
      const [result] = await Promise.allSettled([doing()]);
      work = undefined;
      return { statements, broke: current.broken !== broken, result };
    },
    async [Symbol.asyncDispose]() {
      await rewinding[Symbol.asyncDispose]();
      await books.close();
    },
  };
}
