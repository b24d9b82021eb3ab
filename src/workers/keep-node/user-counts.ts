import { secondMs } from '../../kernel/instant.ts';
import type { NodeApi } from '../../xray/port.ts';

// The expected number of users per inbound (`recount.ts`).

const recountEveryMs = 30 * secondMs;

/** Users that the calls of this keeper added, minus those that they removed, by inbound. */
export class UserChanges {
  readonly #net = new Map<string, number>();

  getNet(tag: string): number {
    return this.#net.get(tag) ?? 0;
  }

  /** @returns the same API, with added and removed users counted */
  wrap(api: NodeApi): NodeApi {
    const count = (tag: string, change: number) => this.#net.set(tag, this.getNet(tag) + change);
    return {
      ...api,
      async addUser(tag, user, patience) {
        const added = await api.addUser(tag, user, patience);
        if (added === 'added') count(tag, 1);
        return added;
      },
      async removeUser(tag, name, patience) {
        const removed = await api.removeUser(tag, name, patience);
        if (removed === 'removed') count(tag, -1);
        return removed;
      },
    };
  }
}

/** The last counts of users on a connection. */
export class Recount {
  readonly #last = new Map<string, { readonly users: number; readonly net: number }>();
  #atMs = Number.NEGATIVE_INFINITY;

  /** @returns true if a count is due, and starts it */
  startIfDue(nowMs: number): boolean {
    if (nowMs - this.#atMs < recountEveryMs) return false;
    this.#atMs = nowMs;
    return true;
  }

  /** @returns true if the last count and the changes since then explain this count */
  explains(tag: string, users: number, net: number): boolean {
    const last = this.#last.get(tag);
    this.#last.set(tag, { users, net });
    return last !== undefined && users === last.users + (net - last.net);
  }

  /** The next count has no explanation. */
  forget(tag: string): void {
    this.#last.delete(tag);
  }
}
