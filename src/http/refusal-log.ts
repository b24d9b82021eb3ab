import { minuteMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import type { Log } from '../logging/log.ts';

// Logs refused tokens, links, sessions, roles and cross-site requests, each kind by itself: one
// line per minute for each address and id, and at most 20 per minute in total. The first line
// after a minute states the number of skipped lines.

const linesMax = 20;

type RefusalMessage =
  | 'token refused'
  | 'link refused'
  | 'session refused'
  | 'role refused'
  | 'cross-site request refused';

export class RefusalLog {
  readonly #log: Pick<Log, 'warn'>;
  readonly #message: RefusalMessage;
  readonly #elapsedMs: () => number;
  readonly #seen = new Set<string>();
  #windowMs = 0;
  #leftOut = 0;

  constructor(log: Pick<Log, 'warn'>, message: RefusalMessage, elapsedMs = stopwatch()) {
    this.#log = log;
    this.#message = message;
    this.#elapsedMs = elapsedMs;
  }

  /** @param id the public part of the secret; undefined if the text is not a secret of ours */
  add(address: string, id: string | undefined, route: string, code?: string): void {
    const now = this.#elapsedMs();
    if (now - this.#windowMs >= minuteMs) {
      this.#seen.clear();
      this.#windowMs = now;
    }
    const key = `${address} ${id ?? ''}`;
    if (this.#seen.has(key) || this.#seen.size >= linesMax) {
      this.#leftOut += 1;
      return;
    }
    this.#seen.add(key);
    const about = { address, id: id ?? null, route, leftOut: this.#leftOut };
    this.#log.warn(code === undefined ? about : { ...about, code }, this.#message);
    this.#leftOut = 0;
  }
}
