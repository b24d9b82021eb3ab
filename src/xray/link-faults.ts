import { checkExtra } from './link-extra.ts';
import { isPrivateHost } from './link-hosts.ts';
import {
  type LinkFault,
  type LinkKey,
  type LinkSettings,
  linkSettingsSchema,
  parseAlpn,
  toAsciiHost,
  toAsciiHostHeader,
  toAsciiNames,
  tryParseLink,
} from './link-settings.ts';
import {
  areCertificatePins,
  fingerprintNames,
  isBase64Url,
  isEch,
  isEncryption,
  isFingerprint,
  isSpiderPath,
  isWsPath,
} from './link-values.ts';

// The settings that `apply` accepts:
//
// 1. Each value is one that Xray's own outbound accepts, and that the other clients can read.
// 2. REALITY goes over tcp, grpc and xhttp. It needs a name and a public key.
// 3. VLESS and Trojan over a public address are encrypted.
// 4. A flow needs TLS 1.3 right below: tcp with tls or reality, or VLESS's own encryption.

const quote = (value: string): string => JSON.stringify(value);
const describeMismatch = (value: string, noun: string, expected: string): string =>
  `${quote(value)} is not ${noun}; expected ${expected}`;

/** All faults of a node's `link`; none: clients accept the link. */
export function checkLink(value: unknown): readonly LinkFault[] {
  const link = tryParseLink(value);
  if ('faults' in link) return link.faults;
  return [
    ...checkTransport(link),
    ...checkNames(link),
    ...checkProtocol(link),
    ...(link.security === 'tls' ? checkTls(link) : []),
    ...(link.security === 'reality' ? checkReality(link) : []),
    ...checkSecurity(link),
  ];
}

type ValueCheck = readonly [
  key: LinkKey,
  value: string | undefined,
  isRight: (value: string) => boolean,
];

/** Checks of values that are given. */
function checkValues(
  checks: readonly (readonly [...ValueCheck, what: string, expected: string])[],
): LinkFault[] {
  return checks.flatMap(([key, value, isRight, noun, expected]) =>
    value === undefined || isRight(value)
      ? []
      : [{ key, sentence: describeMismatch(value, noun, expected) }],
  );
}

const isOneOf =
  (...values: readonly string[]) =>
  (value: string): boolean =>
    values.includes(value);

const modes = {
  grpc: ['gun', 'multi'],
  xhttp: ['auto', 'packet-up', 'stream-up', 'stream-one'],
} as const;

function checkTransport(link: LinkSettings): LinkFault[] {
  const { type, mode, headerType, extra, path } = link;
  const faults: LinkFault[] = [];
  if (type === 'ws') {
    const expected = 'one without #, and with % only before two hex digits';
    faults.push(...checkValues([['path', path, isWsPath, 'a path of ws', expected]]));
  }
  if (type === 'grpc' || type === 'xhttp') {
    const allowed = modes[type];
    const noun = `a mode of ${type}`;
    faults.push(...checkValues([['mode', mode, isOneOf(...allowed), noun, allowed.join(', ')]]));
  }
  if (type === 'tcp') {
    const isHeaderType = isOneOf('none', 'http');
    faults.push(
      ...checkValues([['headerType', headerType, isHeaderType, 'a header of tcp', 'none, http']]),
    );
  }
  if (type === 'xhttp' && extra !== undefined) faults.push(...checkExtra(extra, mode ?? 'auto'));
  return faults;
}

function checkNames({ hostHeader, authority, sni, vcn }: LinkSettings): LinkFault[] {
  const isHeader = (value: string) => toAsciiHostHeader(value) !== undefined;
  const isHost = (value: string) => toAsciiHost(value) !== undefined;
  const host = 'a domain or an IP address';
  return checkValues([
    ['hostHeader', hostHeader, isHeader, 'a host', `${host}, with a port or without`],
    ['authority', authority, isHeader, 'a host', `${host}, with a port or without`],
    ['sni', sni, isHost, 'a host', host],
    [
      'vcn',
      vcn,
      (value) => toAsciiNames(value) !== undefined,
      'a list of names',
      'domains, as a.net,b.net',
    ],
  ]);
}

const ciphers = ['auto', 'aes-128-gcm', 'chacha20-poly1305', 'none', 'zero'];

function checkProtocol(link: LinkSettings): LinkFault[] {
  const { protocol, encryption, scy, flow } = link;
  if (protocol === 'vmess') {
    return checkValues([
      ['scy', scy, isOneOf(...ciphers), 'a cipher of VMess', ciphers.join(', ')],
    ]);
  }
  const faults =
    protocol === 'vless'
      ? checkValues([
          [
            ...(['encryption', encryption, isEncryption, 'an encryption of VLESS'] as const),
            'none, or the text that "xray vlessenc" prints for a client',
          ],
        ])
      : [];
  if (flow === '' || supportsFlow(link)) return faults;
  const sentence = `${quote(flow)} is for VLESS over TCP with tls or reality; leave it out here`;
  return [...faults, { key: 'flow', sentence }];
}

function supportsFlow({ protocol, type, security, encryption, headerType }: LinkSettings): boolean {
  if (protocol !== 'vless') return false;
  if (type !== 'tcp') return encryption !== 'none';
  return headerType === 'none' && (security !== 'none' || encryption !== 'none');
}

function checkTls(link: LinkSettings): LinkFault[] {
  const isProtocol = (name: string) => /^[\x21-\x7e]{1,255}$/.test(name);
  const wrongAlpn = parseAlpn(link).find((name) => !isProtocol(name));
  const { fp, pcs, ech } = link;
  return [
    ...checkValues([
      ['fp', fp, (value) => isFingerprint(value, 'tls'), 'a fingerprint', fingerprintNames],
      [
        'pcs',
        pcs,
        areCertificatePins,
        'a SHA-256 of a certificate in hex',
        '64 hex digits, or several with commas',
      ],
      [
        'ech',
        ech,
        isEch,
        'an ECH configuration',
        'base64, or a DNS server as https://1.1.1.1/dns-query',
      ],
      ['alpn', wrongAlpn, () => false, 'a protocol of ALPN', 'names as h2,http/1.1'],
    ]),
  ];
}

const publicKeyText = '43 characters of base64url, as "xray x25519" prints (Password)';

function checkReality(link: LinkSettings): LinkFault[] {
  const { fp, pbk, sni, sid, spx, pqv } = link;
  const missing = (['pbk', 'sni'] as const).filter((key) => link[key] === undefined);
  return [
    ...missing.map((key) => ({
      key,
      sentence: `is missing; expected ${key === 'pbk' ? publicKeyText : 'one of the serverNames of the node'}`,
    })),
    ...checkValues([
      ['fp', fp, (value) => isFingerprint(value, 'reality'), 'a fingerprint', fingerprintNames],
      ['pbk', pbk, (value) => isBase64Url(value, 32), 'a REALITY public key', publicKeyText],
      ['sni', sni, (value) => !value.includes(','), 'a host', 'one name'],
      [
        'sid',
        sid,
        (value) => /^(?:[0-9a-f]{2}){0,8}$/i.test(value),
        'a short id',
        'up to 16 hex digits, an even number',
      ],
      ['spx', spx, isSpiderPath, 'a path', 'a path as /, which starts with a slash'],
      [
        'pqv',
        pqv,
        (value) => isBase64Url(value, 1_952),
        'an ML-DSA-65 public key',
        '2603 characters of base64url',
      ],
    ]),
  ];
}

const realityTypes = ['tcp', 'grpc', 'xhttp'];

function checkSecurity({ protocol, host, type, security, encryption }: LinkSettings): LinkFault[] {
  const toFaults = (sentence: string) => [{ key: 'security', sentence }];
  if (security === 'reality' && protocol === 'vmess') {
    return toFaults('"reality" is not a security of a VMess link; expected none or tls');
  }
  if (security === 'reality' && !realityTypes.includes(type)) {
    return toFaults(
      `"reality" is not a security of ${type}; expected none or tls, or a type of ${realityTypes.join(', ')}`,
    );
  }
  if (security !== 'none' || protocol === 'vmess' || isPrivateHost(host)) return [];
  if (protocol === 'vless' && encryption !== 'none') return [];
  const name = protocol === 'vless' ? 'VLESS' : 'Trojan';
  const alternatives = protocol === 'vless' ? 'tls, reality, or an encryption' : 'tls or reality';
  return toFaults(
    `"none" is not a security of ${name} to the public host "${host}"; expected ${alternatives}`,
  );
}

/** Keys that a link of each kind does not carry. */
export function findUnusedKeys(value: unknown): readonly string[] {
  const link = tryParseLink(value);
  if ('faults' in link) return [];
  const usedKeys = new Set<string>([
    ...['protocol', 'host', 'port', 'name', 'type', 'security'],
    ...protocolKeys[link.protocol],
    ...(link.type === 'tcp' && link.headerType === 'none'
      ? ['headerType']
      : transportKeys[link.type]),
    ...(link.protocol === 'vmess' && link.security === 'reality'
      ? []
      : securityKeys[link.security]),
  ]);
  const defaults = linkSettingsSchema.parse({ host: link.host, port: link.port });
  return Object.keys(value as object).filter(
    (key) => !usedKeys.has(key) && link[key as LinkKey] !== defaults[key as LinkKey],
  );
}

const protocolKeys = { vless: ['encryption', 'flow'], trojan: [], vmess: ['scy'] } as const;
const transportKeys = {
  tcp: ['headerType', 'path', 'hostHeader'],
  ws: ['path', 'hostHeader'],
  httpupgrade: ['path', 'hostHeader'],
  grpc: ['serviceName', 'mode', 'authority'],
  xhttp: ['path', 'hostHeader', 'mode', 'extra'],
} as const;
const securityKeys = {
  none: [],
  tls: ['sni', 'fp', 'alpn', 'pcs', 'vcn', 'ech'],
  reality: ['sni', 'fp', 'pbk', 'sid', 'spx', 'pqv'],
} as const;
