import { stopwatch } from '../db/clock.ts';
import { secondMs } from '../kernel/instant.ts';

/**
 * Ctrl-C on a terminal reaches the program more than once: from the terminal itself and from npx
 * or npm, which pass it on. What comes within this time of the first is the same wish.
 */
const sameWishMs = secondMs;

/** Ends what goes on: SIGINT or SIGTERM once asks for it, a second time forces it. */
export interface Ending {
  readonly signal: AbortSignal;
  /** Stops listening, when the work is done. */
  forget(): void;
}

/**
 * Heeds SIGTERM and SIGINT. The first one aborts `signal`, with its name as the reason; what has
 * not ended `graceMs` later is cut off with exit code 0: it was asked to end, and did.
 */
export function heedSignals(options: { readonly graceMs?: number } = {}): Ending {
  const ending = new AbortController();
  let sinceMs: (() => number) | undefined;
  const hear = (name: NodeJS.Signals): void => {
    if (sinceMs === undefined) {
      sinceMs = stopwatch();
      if (options.graceMs !== undefined) setTimeout(() => process.exit(0), options.graceMs).unref();
      ending.abort(name);
    } else if (sinceMs() > sameWishMs) process.exit(name === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', hear).on('SIGTERM', hear);
  return {
    signal: ending.signal,
    forget: () => void process.off('SIGINT', hear).off('SIGTERM', hear),
  };
}
