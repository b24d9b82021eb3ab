/** The address of a node's API: a socket in the file system, or a host and a port. */
export type NodeEndpoint =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

const endpointPattern = /^(?:unix:(\/.+)|\[([0-9A-Fa-f:.]+)\]:(\d{1,5})|([^\s:/[\]]+):(\d{1,5}))$/;

/** The end of an error: `"x" is not an address; …`. */
export const notAnAddressText =
  'is not an address; expected 10.0.0.2:10085, [fd00::2]:10085 or unix:/run/xray.sock';

/** Reads `host:port`, `[ipv6]:port` or `unix:/path`; undefined for anything else. */
export function tryParseEndpoint(api: string): NodeEndpoint | undefined {
  const [, path, ipv6, ipv6Port, name, namePort] = endpointPattern.exec(api) ?? [];
  if (path !== undefined) return { path };
  const host = ipv6 ?? name;
  const port = Number(ipv6Port ?? namePort);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}
