import type { BotApi } from '../../../testbed/bot-api/bot-api.ts';

// Calls that arrived while a bot had to wait after a 429. A courier stops at once, so these calls
// were in progress. They are at most the number of other pending answers, and none is later than
// the deadline of a send.

/** Answers that a courier awaits at once, without the 429. */
export const pendingMax = 15;

export interface CallsDuringWaits {
  /** The largest number of calls in one wait. */
  readonly most: number;
  /** The time from the 429 to the latest of these calls. */
  readonly latestMs: number;
}

export function countCallsDuringWaits(
  log: readonly Pick<BotApi['log'][number], 'atMs'>[],
  waits: BotApi['waits'],
): CallsDuringWaits {
  const delaysByWait = waits.map(({ fromMs, untilMs }) =>
    log.filter(({ atMs }) => atMs > fromMs && atMs < untilMs).map(({ atMs }) => atMs - fromMs),
  );
  return {
    most: Math.max(0, ...delaysByWait.map((delays) => delays.length)),
    latestMs: Math.round(Math.max(0, ...delaysByWait.flat())),
  };
}
