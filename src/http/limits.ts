import type { FastifyRequest } from 'fastify';
import type { Holder } from '../tokens/store.ts';
import { networkOf } from './client-network.ts';
import { RateLimiter, type Taken } from './rate-limiter.ts';

// The limits of requests a minute on one replica. Each kind of request has a bucket of its own, so
// that one kind cannot use up the requests of another kind:
//
// 1. A valid token has its own bucket, whatever its address is.
// 2. A subscription link counts for its address, in the bucket of links.
// 3. A refused token counts for its address, in the bucket of refused tokens.
// 4. Every other request counts for its address: without a token, or of an unknown path.
// 5. Probes (`/healthz`, `/readyz`) are not counted.

export interface Limits {
  readonly perTokenMax: number;
  readonly perAddressMax: number;
  readonly linksMax: number;
  readonly refusedTokensMax: number;
}

export const defaultLimits: Limits = {
  perTokenMax: 60_000,
  perAddressMax: 600,
  // A proxy that is not named as trusted brings the clients of all customers.
  linksMax: 6_000,
  refusedTokensMax: 60,
};

export interface Counted extends Taken {
  readonly max: number;
}

const probePaths = ['/healthz', '/readyz'];
const linkPath = /^\/sub\//;

export const isProbe = ({ routeOptions: { url } }: FastifyRequest): boolean =>
  url !== undefined && probePaths.includes(url);

export class RequestLimits {
  readonly #limits: Limits;
  readonly #limiter: RateLimiter;

  constructor(limits: Limits, limiter = new RateLimiter()) {
    this.#limits = limits;
    this.#limiter = limiter;
  }

  /** Counts a request; undefined for a probe. */
  count(
    request: FastifyRequest,
    holder: Holder | undefined,
    hasToken: boolean,
  ): Counted | undefined {
    if (isProbe(request)) return undefined;
    if (linkPath.test(request.url)) return this.#take('link', addressOf(request), 'linksMax');
    if (holder !== undefined) return this.#take('token', holder.id, 'perTokenMax');
    if (hasToken) return this.#take('refused', addressOf(request), 'refusedTokensMax');
    return this.#take('address', addressOf(request), 'perAddressMax');
  }

  #take(bucket: string, of: string, limit: keyof Limits): Counted {
    const max = this.#limits[limit];
    return { ...this.#limiter.take(`${bucket} ${of}`, max), max };
  }
}

/** The client's network. A trusted proxy can forward what is no address: then the proxy counts. */
export const addressOf = (request: FastifyRequest): string =>
  networkOf(request.ip) ?? networkOf(request.socket.remoteAddress ?? '') ?? 'unknown';
