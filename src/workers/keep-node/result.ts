import { toFault } from '../../db/faults.ts';
import type { Fault } from '../../kernel/faults.ts';

/** The result of a call. Keepers handle each fault of a node as an outcome. */
export type Result<T> = { readonly value: T } | { readonly fault: Fault };

export async function toResult<T>(call: () => Promise<T> | T): Promise<Result<T>> {
  try {
    return { value: await call() };
  } catch (error) {
    return { fault: toFault(error) };
  }
}
