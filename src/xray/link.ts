import { isIPv6 } from 'node:net';
import { unreachable } from '../kernel/faults.ts';
import type { CredentialId } from '../kernel/ids.ts';
import {
  type LinkSettings,
  parseAlpn,
  toAsciiHost,
  toAsciiHostHeader,
  toAsciiNames,
} from './link-settings.ts';

// Share links, which customers paste into their clients (docs/xray-facts.md, "Links"). The standard
// is XTLS/Xray-core discussion 716. A link depends only on the link settings of the node and the
// UUID of the customer.

/** Names and values in the order of the link. A name without a value is left out. */
type QueryParameters = readonly (readonly [key: string, value: string | undefined])[];

/** @param name shown by the client; the links of a customer have different names */
export function formatShareLink(settings: LinkSettings, id: CredentialId, name: string): string {
  const link = toAsciiLink(settings);
  const { host } = link;
  switch (link.protocol) {
    case 'vless': {
      const protocolQuery: QueryParameters = [
        ['encryption', link.encryption],
        ['flow', link.flow],
      ];
      return formatUrl('vless', id, host, link, name, protocolQuery);
    }
    case 'trojan':
      return formatUrl('trojan', id, host, link, name, []);
    case 'vmess':
      return `vmess://${Buffer.from(JSON.stringify(toVmessConfig(link, id, host, name))).toString('base64')}`;
    default:
      return unreachable(link.protocol);
  }
}

/** The settings with all host names in punycode, because clients do not convert them. */
function toAsciiLink(link: LinkSettings): LinkSettings {
  const toAscii = <Key extends 'hostHeader' | 'authority' | 'sni' | 'vcn'>(
    key: Key,
    convert: (value: string) => string | undefined,
  ) => {
    const value = link[key];
    return value === undefined ? {} : { [key]: convert(value) ?? value };
  };
  return {
    ...link,
    host: toAsciiHost(link.host) ?? link.host,
    ...toAscii('hostHeader', toAsciiHostHeader),
    ...toAscii('authority', toAsciiHostHeader),
    ...toAscii('sni', toAsciiHost),
    ...toAscii('vcn', toAsciiNames),
  };
}

function formatUrl(
  scheme: string,
  user: string,
  host: string,
  link: LinkSettings,
  name: string,
  protocolQuery: QueryParameters,
): string {
  const query: QueryParameters = [
    ['type', link.type],
    ...protocolQuery,
    ...toTransportQuery(link),
    ...toSecurityQuery(link),
  ];
  const encoded = query
    .filter(([, value]) => value !== undefined && value !== '')
    // Not URLSearchParams: it writes a space as +, which clients read as a plus.
    .map(([key, value]) => `${key}=${encodeURIComponent(value ?? '')}`);
  const address = `${isIPv6(host) ? `[${host}]` : host}:${link.port}`;
  return `${scheme}://${encodeURIComponent(user)}@${address}?${encoded.join('&')}#${encodeURIComponent(name)}`;
}

function toTransportQuery(link: LinkSettings): QueryParameters {
  const { path = '/', hostHeader, headerType, serviceName, authority, mode } = link;
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
        ['extra', formatExtra(link)],
      ];
    default:
      return unreachable(link.type);
  }
}

const formatAlpn = (link: LinkSettings): string => parseAlpn(link).join(',');

const formatExtra = ({ extra }: LinkSettings): string | undefined =>
  typeof extra === 'object' ? JSON.stringify(extra) : extra;

function toSecurityQuery(link: LinkSettings): QueryParameters {
  const { sni, fp, pbk, sid, spx, pqv, pcs, vcn, ech } = link;
  switch (link.security) {
    case 'none':
      return [['security', 'none']];
    case 'tls':
      return [
        ['security', 'tls'],
        ['sni', sni],
        ['fp', fp],
        ['alpn', formatAlpn(link)],
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

/**
 * VMess has another form, older than the standard: JSON with texts as values. Its `type` is also
 * the mode of gRPC and XHTTP. Keys of newer clients are present only with a value, because some
 * clients read an empty `alpn` as a list with an empty name.
 */
function toVmessConfig(link: LinkSettings, id: string, host: string, name: string): object {
  const isGrpc = link.type === 'grpc';
  const isTls = link.security === 'tls';
  const optional: QueryParameters = [
    ['alpn', isTls ? formatAlpn(link) : undefined],
    ['pcs', isTls ? link.pcs : undefined],
    ['vcn', isTls ? link.vcn : undefined],
    ['ech', isTls ? link.ech : undefined],
    ['mode', link.type === 'xhttp' ? (link.mode ?? 'auto') : undefined],
    ['extra', link.type === 'xhttp' ? formatExtra(link) : undefined],
  ];
  return {
    v: '2',
    ps: name,
    add: host,
    port: String(link.port),
    id,
    aid: '0',
    scy: link.scy,
    net: link.type,
    type: toVmessType(link),
    host: (isGrpc ? link.authority : link.hostHeader) ?? '',
    path: isGrpc ? (link.serviceName ?? '') : (link.path ?? (link.type === 'tcp' ? '' : '/')),
    tls: isTls ? 'tls' : '',
    sni: link.sni ?? '',
    fp: isTls ? link.fp : '',
    ...Object.fromEntries(optional.filter(([, value]) => value !== undefined && value !== '')),
  };
}

function toVmessType({ type, mode, headerType }: LinkSettings): string {
  switch (type) {
    case 'grpc':
      return mode ?? 'gun';
    case 'xhttp':
      return mode ?? 'auto';
    case 'tcp':
      return headerType;
    default:
      return 'none';
  }
}
