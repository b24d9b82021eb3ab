import { faultOf } from '../../db/faults.ts';
import type { Fault } from '../../kernel/faults.ts';

/** What became of a call: faults of a node are outcomes here, each with its consequence. */
export type Answer<T> = { readonly value: T } | { readonly fault: Fault };

export async function answerOf<T>(call: () => Promise<T> | T): Promise<Answer<T>> {
  try {
    return { value: await call() };
  } catch (error) {
    return { fault: faultOf(error) };
  }
}
