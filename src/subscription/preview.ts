import { inTransaction } from '../db/connect.ts';
import type { Answer, Call } from './command.ts';

/** Ends a transaction without an error of its own. */
class Undo extends Error {}

/** The answer that a command would give now. Its transaction is rolled back. */
export async function previewOf<A extends Answer>(
  { key: _, ...call }: Call,
  act: (call: Call) => Promise<A>,
): Promise<A & { readonly dry_run: true }> {
  let answer: A | undefined;
  try {
    await inTransaction(call.db, async (tx) => {
      answer = await act({ ...call, db: tx });
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
  return { ...(answer as A), dry_run: true };
}
