import { createDatabase, type TestDatabase } from './database.ts';
import { hookPool, type StatementEvent } from './hooked-pool.ts';
import { createRestorePoint, type RestorePoint } from './restore-point.ts';

// Faults of any statement that its caller did not cause: a lost connection, a server error.

export const transientFaults = ['connection', 'deadlock', 'timeout', 'disk'] as const;
export type TransientFault = (typeof transientFaults)[number];

export interface BrokenStatement {
  /** The number of the statement from 1. BEGIN and COMMIT count too. */
  readonly n: number;
  /**
   * With `after`, the server executes the statement, and its answer is lost with the connection.
   */
  readonly when: 'before' | 'after';
  readonly fault: TransientFault;
}

/** A database whose statements can be broken, and that can be restored. */
export interface BreakableDatabase extends AsyncDisposable {
  readonly database: TestDatabase;
  restore(): Promise<void>;
  /** Runs `work` with one broken statement. @returns the statements and the result */
  run<T>(work: () => Promise<T>, broken?: BrokenStatement): Promise<WorkResult<T>>;
}

export interface WorkResult<T> {
  readonly statements: readonly string[];
  /** False if the work ended before the statement that was to break. */
  readonly wasBroken: boolean;
  readonly result: PromiseSettledResult<T>;
}

/** An error in the form in which the server reports it. */
function createServerError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code, severity: 'ERROR' });
}

async function applyFault(
  fault: TransientFault,
  { client }: StatementEvent,
  restorePoint: RestorePoint,
): Promise<void> {
  switch (fault) {
    case 'deadlock':
      throw createServerError('40P01', 'deadlock detected');
    case 'timeout':
      throw createServerError('57014', 'canceling statement due to statement timeout');
    case 'disk':
      throw createServerError('53100', 'could not extend file: No space left on device');
    case 'connection':
      await restorePoint.disconnect(
        (client as StatementEvent['client'] & { processID: number }).processID,
      );
      throw new Error('Connection terminated unexpectedly');
  }
}

/** A breakable database that `fill` has filled. */
export async function createBreakableDatabase(
  fill: (database: TestDatabase) => Promise<void>,
  now: string,
): Promise<BreakableDatabase> {
  let work: { broken: BrokenStatement | undefined; readonly statements: string[] } | undefined;
  let currentRestorePoint: RestorePoint | undefined;
  // Two connections interleave, so the answer to a statement may come after the next one is sent.
  const positions = new Map<number, number>();
  const hook = async (moment: StatementEvent) => {
    if (work === undefined || currentRestorePoint === undefined) return;
    const { broken, statements } = work;
    if (moment.when === 'before') positions.set(moment.n, statements.push(moment.sql));
    if (positions.get(moment.n) !== broken?.n || moment.when !== broken?.when) return;
    work.broken = undefined;
    await applyFault(broken.fault, moment, currentRestorePoint);
  };
  const database = await createDatabase({ now, wrapPool: (pool) => hookPool(pool, hook) });
  await fill(database);
  const restorePoint = await createRestorePoint(database);
  currentRestorePoint = restorePoint;
  return {
    database,
    restore: () => restorePoint.restore(),
    async run(task, broken) {
      const statements: string[] = [];
      positions.clear();
      const current = { broken, statements };
      work = current;
      const [result] = await Promise.allSettled([task()]);
      work = undefined;
      return { statements, wasBroken: current.broken !== broken, result };
    },
    async [Symbol.asyncDispose]() {
      await restorePoint[Symbol.asyncDispose]();
      await database.close();
    },
  };
}
