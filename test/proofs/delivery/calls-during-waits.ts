import type { BotApi } from '../../../testbed/bot-api/bot-api.ts';

// What came while a bot had been told to wait. Whoever is told heeds it at once, so these are the
// calls that were under way: as many as answers are awaited at once beside the one that said so, and
// none later than a send may take.

/** Answers that a courier awaits at once, without the one that tells it to wait. */
export const pendingMax = 15;

export interface CallsDuringWaits {
  /** Calls in one wait, at most. */
  readonly most: number;
  /** How long after it was told the latest of them came. */
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
