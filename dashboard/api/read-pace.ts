import type { Query } from '@tanstack/react-query';

// The pace of live reads. A read of a customer with 10,000 subscriptions takes seconds. A live
// change repeats such a read only after five times its duration, so that one open page leaves the
// database to its other work.

const restFactor = 5;
/** A read below this duration does not rest. */
const quickMs = 1_000;

/** The duration of the last read, by the key of the query. */
const durations = new Map<string, number>();

export async function withDuration<Result>(
  queryHash: string,
  read: () => Promise<Result>,
): Promise<Result> {
  const startedAt = performance.now();
  const result = await read();
  noteDuration(queryHash, performance.now() - startedAt);
  return result;
}

export function noteDuration(queryHash: string, durationMs: number): void {
  if (durationMs < quickMs) durations.delete(queryHash);
  else durations.set(queryHash, durationMs);
}

/** True if the last read was too recent for its duration. */
export const isResting = (
  { queryHash, state }: Pick<Query, 'queryHash'> & { readonly state: { dataUpdatedAt: number } },
  now = Date.now(),
): boolean => now - state.dataUpdatedAt < restFactor * (durations.get(queryHash) ?? 0);
