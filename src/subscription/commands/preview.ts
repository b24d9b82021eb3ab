import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import type { Caller, CommandResult } from '../store/command-context.ts';

/** Rolls back a transaction that had no error. */
class PreviewRollback extends Error {}

/** Runs `work` in a transaction, and rolls the transaction back. */
export async function runAndRollBack<A>(db: Db | Tx, work: (tx: Tx) => Promise<A>): Promise<A> {
  let result: { readonly value: A } | undefined;
  try {
    await inTransaction(db, async (tx) => {
      result = { value: await work(tx) };
      throw new PreviewRollback();
    });
  } catch (error) {
    if (!(error instanceof PreviewRollback)) throw error;
  }
  return (result as { readonly value: A }).value;
}

/** Computes the answer that a command would give now, and rolls the transaction back. */
export async function runPreview<A extends CommandResult>(
  { key: _, ...caller }: Caller,
  run: (caller: Caller) => Promise<A>,
): Promise<A & { readonly dry_run: true }> {
  const result = await runAndRollBack(caller.db, (tx) => run({ ...caller, db: tx }));
  return { ...result, dry_run: true };
}
