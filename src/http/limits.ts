import type { FastifyRequest } from 'fastify';
import { toClientNetwork } from './client-network.ts';
import type { RequestHolder } from './holder.ts';
import { RateLimiter, type RateLimitResult } from './rate-limiter.ts';
import { sessionPath } from './ui/cookie.ts';

// The limits of requests per minute on one replica. Each kind of request has a separate bucket, so
// that no kind uses up the requests of another one.
//
// 1. A valid token or session has its own bucket, from every address.
// 2. A subscription link counts for its address, in the bucket of links.
// 3. A refused token or cookie counts for its address, in the bucket of refused tokens. The lookup
//    precedes the limit, because refused tokens must not lock out a valid one of the same address.
// 4. A sign-in counts for its address. Refused cookies must not prevent a sign-in.
// 5. Every other request counts for its address: without a token, or of an unknown path.
// 6. Probes (`/healthz`, `/readyz`) are not counted.

export interface RequestLimitSettings {
  readonly perTokenMax: number;
  readonly perSessionMax: number;
  readonly perAddressMax: number;
  readonly linksMax: number;
  readonly refusedTokensMax: number;
  readonly signInsMax: number;
}

export const defaultLimits: RequestLimitSettings = {
  perTokenMax: 60_000,
  // A page makes about 10 requests, and a person opens no page in 100 ms.
  perSessionMax: 6_000,
  perAddressMax: 600,
  // A proxy that is not trusted forwards the clients of all customers.
  linksMax: 6_000,
  refusedTokensMax: 60,
  signInsMax: 60,
};

export interface CountedRequest extends RateLimitResult {
  readonly max: number;
}

const probePaths = ['/healthz', '/readyz'];
const linkPath = /^\/sub\//;

const isSignIn = ({ method, routeOptions: { url } }: FastifyRequest): boolean =>
  method === 'POST' && url === sessionPath;

export const isProbe = ({ routeOptions: { url } }: FastifyRequest): boolean =>
  url !== undefined && probePaths.includes(url);

export class RequestLimits {
  readonly #limits: RequestLimitSettings;
  readonly #limiter: RateLimiter;

  constructor(limits: RequestLimitSettings, limiter = new RateLimiter()) {
    this.#limits = limits;
    this.#limiter = limiter;
  }

  /** Counts a request; undefined for a probe. */
  count(
    request: FastifyRequest,
    holder: RequestHolder | undefined,
    isRefused: boolean,
  ): CountedRequest | undefined {
    if (isProbe(request)) return undefined;
    if (linkPath.test(request.url))
      return this.#countFor('link', toClientAddress(request), 'linksMax');
    if (isSignIn(request)) return this.#countFor('sign-in', toClientAddress(request), 'signInsMax');
    if (holder?.kind === 'session') return this.#countFor('session', holder.id, 'perSessionMax');
    if (holder !== undefined) return this.#countFor('token', holder.id, 'perTokenMax');
    if (isRefused) return this.#countFor('refused', toClientAddress(request), 'refusedTokensMax');
    return this.#countFor('address', toClientAddress(request), 'perAddressMax');
  }

  #countFor(bucket: string, key: string, limit: keyof RequestLimitSettings): CountedRequest {
    const max = this.#limits[limit];
    return { ...this.#limiter.count(`${bucket} ${key}`, max), max };
  }
}

/** The network of the client. If a trusted proxy forwards no valid address, the proxy counts. */
export const toClientAddress = (request: FastifyRequest): string =>
  toClientNetwork(request.ip) ?? toClientNetwork(request.socket.remoteAddress ?? '') ?? 'unknown';
