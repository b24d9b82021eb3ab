import { inTransaction } from '../../db/connect.ts';
import type { Caller, CommandResult } from '../store/command-context.ts';

/** Rolls back a transaction that had no error. */
class PreviewRollback extends Error {}

/** Computes the answer that a command would give now, and rolls the transaction back. */
export async function runPreview<A extends CommandResult>(
  { key: _, ...caller }: Caller,
  run: (caller: Caller) => Promise<A>,
): Promise<A & { readonly dry_run: true }> {
  let result: A | undefined;
  try {
    await inTransaction(caller.db, async (tx) => {
      result = await run({ ...caller, db: tx });
      throw new PreviewRollback();
    });
  } catch (error) {
    if (!(error instanceof PreviewRollback)) throw error;
  }
  return { ...(result as A), dry_run: true };
}
