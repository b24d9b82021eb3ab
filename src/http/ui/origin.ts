import type { ConfigFile } from '../../config/config.ts';
import { isLoopbackHost } from '../loopback.ts';

// The origin of the dashboard, as a browser sees it.
//
// 1. `ui.url` is the origin, if it is set.
// 2. Otherwise the origin is the address of the API, if the API listens on loopback.
// 3. Otherwise the origin is unknown: another machine can have any name for this address.

type OriginConfig = Pick<ConfigFile, 'ui' | 'http'>;

/** @returns undefined: unknown, as for `http.port: 0` */
export function computeUiOrigin({ ui, http }: OriginConfig): string | undefined {
  if (ui?.url !== undefined) return ui.url;
  const { host = '127.0.0.1', port = 8_080, tls } = http ?? {};
  if (!isLoopbackHost(host) || port === 0) return undefined;
  return new URL(`${tls === undefined ? 'http' : 'https'}://${bracketHost(host)}:${port}`).origin;
}

const bracketHost = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** The reason why a browser will not keep the cookie; undefined: it will. */
export function findCookieObstacle(config: OriginConfig): string | undefined {
  const { host = '127.0.0.1', tls } = config.http ?? {};
  if (config.ui?.url !== undefined) {
    const { protocol, hostname } = new URL(config.ui.url);
    if (protocol === 'https:' || isLocalName(hostname)) return undefined;
    return `ui.url: ${config.ui.url} is plain HTTP on another host than localhost, and browsers keep no cookie of it; expected https`;
  }
  if (isLoopbackHost(host)) return undefined;
  const needs = tls === undefined ? 'an https address of a proxy' : 'its https address';
  return `ui.url: is not set, and the dashboard is reachable at localhost only; set ${needs}`;
}

const localNames = new Set(['localhost', '127.0.0.1', '[::1]']);

/** A host name of a URL that browsers trust without TLS. */
export const isLocalName = (hostname: string): boolean => localNames.has(hostname);
