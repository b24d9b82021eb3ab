// The outbound of Xray's configuration that a client makes of a share link.

type LinkParams = Readonly<Record<string, string>>;

interface ParsedLink {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly params: LinkParams;
}

function parseUrl(link: string): ParsedLink {
  const { protocol, hostname, port, username, searchParams } = new URL(link);
  return {
    protocol: protocol.slice(0, -1),
    address: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port),
    user: decodeURIComponent(username),
    params: Object.fromEntries(searchParams),
  };
}

function parseVmess(link: string): ParsedLink {
  const read = JSON.parse(
    Buffer.from(link.slice('vmess://'.length), 'base64').toString(),
  ) as LinkParams;
  const { add = '', port, id = '', net = 'tcp', type = '', host = '', path = '', tls = '' } = read;
  const isGrpc = net === 'grpc';
  const params = {
    ...read,
    ...{ type: net, security: tls || 'none', headerType: type, mode: type, host },
    ...(isGrpc ? { serviceName: path, authority: host } : { path }),
  };
  return { protocol: 'vmess', address: add, port: Number(port), user: id, params };
}

function toSettings({ protocol, address, port, user, params }: ParsedLink): object {
  const at = { address, port };
  switch (protocol) {
    case 'vless':
      return { ...at, id: user, encryption: params.encryption ?? 'none', flow: params.flow ?? '' };
    case 'trojan':
      return { ...at, password: user };
    default:
      return { ...at, id: user, security: params.scy ?? 'auto' };
  }
}

function toTransport({ type = 'tcp', path, host, mode, extra, headerType, ...more }: LinkParams) {
  switch (type) {
    case 'ws':
      return { wsSettings: { path, host } };
    case 'httpupgrade':
      return { httpupgradeSettings: { path, host } };
    case 'grpc':
      return {
        grpcSettings: {
          ...{ serviceName: more.serviceName, authority: more.authority },
          multiMode: mode === 'multi',
        },
      };
    case 'xhttp': {
      const given = extra === undefined ? {} : { extra: JSON.parse(extra) as object };
      return { xhttpSettings: { path, host, mode, ...given } };
    }
    default: {
      const request = { path: [path ?? '/'], headers: { Host: (host ?? '').split(',') } };
      return { rawSettings: headerType === 'http' ? { header: { type: 'http', request } } : {} };
    }
  }
}

function toSecurity({ security = 'none', sni, fp, ...more }: LinkParams) {
  const common = { serverName: sni, fingerprint: fp };
  switch (security) {
    case 'tls':
      return {
        tlsSettings: {
          ...common,
          ...(more.alpn !== undefined && { alpn: more.alpn.split(',') }),
          ...{ pinnedPeerCertSha256: more.pcs, verifyPeerCertByName: more.vcn },
          echConfigList: more.ech,
        },
      };
    case 'reality':
      return {
        realitySettings: {
          ...{ ...common, password: more.pbk, shortId: more.sid ?? '', spiderX: more.spx ?? '' },
          mldsa65Verify: more.pqv,
        },
      };
    default:
      return {};
  }
}

export function toOutbound(link: string): object {
  const read = link.startsWith('vmess://') ? parseVmess(link) : parseUrl(link);
  const { type = 'tcp', security = 'none' } = read.params;
  return {
    protocol: read.protocol,
    settings: toSettings(read),
    streamSettings: {
      ...{ network: type, security },
      ...toTransport(read.params),
      ...toSecurity(read.params),
    },
  };
}
