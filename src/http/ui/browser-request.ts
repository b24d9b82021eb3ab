import type { FastifyRequest } from 'fastify';
import { createProblem, ProblemError } from '../problem.ts';
import { isLocalName } from './origin.ts';

// Checks of a request that a browser sends with the cookie of the dashboard.
//
// 1. A page of the same origin must have sent it. `Sec-Fetch-Site` states this. A script cannot set
//    this header. A browser without it must send `Origin`.
// 2. Its host must be a name of the dashboard. So a foreign name that resolves to this address
//    (DNS rebinding) is refused.

export type BrowserRefusal = 'cross_site' | 'unknown_host';

type Headers = Pick<FastifyRequest['headers'], 'host' | 'origin'> & {
  readonly 'sec-fetch-site'?: string | string[] | undefined;
};

/**
 * @param uiHost the host name of `ui.url`; undefined: names of loopback only
 * @returns undefined: the request is of the dashboard
 */
export function findBrowserRefusal(
  { host, origin, 'sec-fetch-site': site }: Headers,
  uiHost: string | undefined,
): BrowserRefusal | undefined {
  const hostname = parseHostname(host);
  if (hostname === undefined || !(hostname === uiHost || isLocalName(hostname)))
    return 'unknown_host';
  if (site !== undefined) return site === 'same-origin' ? undefined : 'cross_site';
  return parseHost(origin) === host?.toLowerCase() ? undefined : 'cross_site';
}

/** A name or an address with an optional port, and nothing else of a URL. */
function parseHostname(host: string | undefined): string | undefined {
  if (host === undefined || !/^[\w.:[\]-]+$/.test(host)) return undefined;
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : undefined;
}

/** With the port, except the default port of the scheme, as browsers send it in `Host`. */
const parseHost = (origin: string | undefined): string | undefined =>
  origin !== undefined && URL.canParse(origin) ? new URL(origin).host : undefined;

const details: Readonly<Record<BrowserRefusal, string>> = {
  cross_site: 'the request comes from another site than the dashboard',
  unknown_host: 'the host is not an address of the dashboard; expected that of ui.url',
};

export const createBrowserProblem = (code: BrowserRefusal): ProblemError =>
  new ProblemError(createProblem(code, 403, details[code]));
