import { toFault } from '../../db/faults.ts';
import type { Fault } from '../../kernel/faults.ts';

/** What became of a call: faults of a node are outcomes here, each with its consequence. */
export type Result<T> = { readonly value: T } | { readonly fault: Fault };

export async function toResult<T>(call: () => Promise<T> | T): Promise<Result<T>> {
  try {
    return { value: await call() };
  } catch (error) {
    return { fault: toFault(error) };
  }
}
