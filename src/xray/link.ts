import { isIPv6 } from 'node:net';
import { unreachable } from '../kernel/faults.ts';
import type { CredentialId } from '../kernel/ids.ts';
import { asciiHost, type LinkSettings } from './link-settings.ts';

// Share links: what a customer pastes into his client (XRAY.md 6; the standard is XTLS/Xray-core
// discussion 716). A pure function of the node's link settings and the customer's UUID.

/** Names and values in the order in which they are written; what has no value is left out. */
type Query = readonly (readonly [key: string, value: string | undefined])[];

/** @param fallbackName where the settings name none: the node's id */
export function shareLink(link: LinkSettings, id: CredentialId, fallbackName: string): string {
  const name = link.name ?? fallbackName;
  const host = asciiHost(link.host) ?? link.host;
  switch (link.protocol) {
    case 'vless': {
      const own: Query = [
        ['encryption', link.encryption],
        ['flow', link.flow],
      ];
      return url('vless', id, host, link, name, own);
    }
    case 'trojan':
      return url('trojan', id, host, link, name, []);
    case 'vmess':
      return `vmess://${Buffer.from(JSON.stringify(vmess(link, id, host, name))).toString('base64')}`;
    default:
      return unreachable(link.protocol);
  }
}

function url(
  scheme: string,
  user: string,
  host: string,
  link: LinkSettings,
  name: string,
  own: Query,
): string {
  const query: Query = [['type', link.type], ...own, ...transport(link), ...security(link)];
  const written = query
    .filter(([, value]) => value !== undefined && value !== '')
    // Not URLSearchParams: it writes a space as +, which clients read as a plus.
    .map(([key, value]) => `${key}=${encodeURIComponent(value ?? '')}`);
  const place = `${isIPv6(host) ? `[${host}]` : host}:${link.port}`;
  return `${scheme}://${encodeURIComponent(user)}@${place}?${written.join('&')}#${encodeURIComponent(name)}`;
}

function transport(link: LinkSettings): Query {
  const { path = '/', hostHeader, headerType, serviceName, authority, mode, extra } = link;
  switch (link.type) {
    case 'tcp':
      return headerType === 'none'
        ? []
        : [
            ['headerType', headerType],
            ['path', path],
            ['host', hostHeader],
          ];
    case 'ws':
    case 'httpupgrade':
      return [
        ['path', path],
        ['host', hostHeader],
      ];
    case 'grpc':
      return [
        ['serviceName', serviceName],
        ['mode', mode ?? 'gun'],
        ['authority', authority],
      ];
    case 'xhttp':
      return [
        ['path', path],
        ['host', hostHeader],
        ['mode', mode ?? 'auto'],
        ['extra', typeof extra === 'object' ? JSON.stringify(extra) : extra],
      ];
    default:
      return unreachable(link.type);
  }
}

function alpnText({ alpn }: LinkSettings): string | undefined {
  return typeof alpn === 'string' ? alpn : alpn?.join(',');
}

function security(link: LinkSettings): Query {
  const { sni, fp, pbk, sid, spx, pqv, pcs, vcn, ech } = link;
  switch (link.security) {
    case 'none':
      return [['security', 'none']];
    case 'tls':
      return [
        ['security', 'tls'],
        ['sni', sni],
        ['fp', fp],
        ['alpn', alpnText(link)],
        ['pcs', pcs],
        ['vcn', vcn],
        ['ech', ech],
      ];
    case 'reality':
      return [
        ['security', 'reality'],
        ['sni', sni],
        ['fp', fp],
        ['pbk', pbk],
        ['sid', sid],
        ['spx', spx],
        ['pqv', pqv],
      ];
    default:
      return unreachable(link.security);
  }
}

/** VMess has a form of its own, older than the standard: JSON, all values texts. */
function vmess(link: LinkSettings, id: string, host: string, name: string): object {
  const grpc = link.type === 'grpc';
  return {
    v: '2',
    ps: name,
    add: host,
    port: String(link.port),
    id,
    aid: '0',
    scy: link.scy,
    net: link.type,
    type: grpc ? (link.mode ?? 'gun') : link.headerType,
    host: (grpc ? link.authority : link.hostHeader) ?? '',
    path: grpc ? (link.serviceName ?? '') : (link.path ?? (link.type === 'tcp' ? '' : '/')),
    tls: link.security === 'tls' ? 'tls' : '',
    sni: link.sni ?? '',
    fp: link.security === 'tls' ? link.fp : '',
    alpn: alpnText(link) ?? '',
  };
}
