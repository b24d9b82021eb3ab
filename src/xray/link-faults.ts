import { extraFaults } from './link-extra.ts';
import { isNetworkOfOurs } from './link-hosts.ts';
import {
  alpnOf,
  asciiHost,
  asciiHostHeader,
  asciiNames,
  type LinkFault,
  type LinkKey,
  type LinkSettings,
  linkShape,
  readShape,
} from './link-settings.ts';
import {
  arePins,
  isBase64Url,
  isEch,
  isEncryption,
  isPrint,
  isSpiderPath,
  isWsPath,
  printNames,
} from './link-values.ts';

// The settings that `apply` accepts:
//
// 1. Each value is one that Xray's own outbound accepts, and that the other clients can read.
// 2. REALITY goes over tcp, grpc and xhttp. It needs a name and a public key.
// 3. VLESS and Trojan over a public address are encrypted.
// 4. A flow needs TLS 1.3 right below: tcp with tls or reality, or VLESS's own encryption.

const quoted = (value: string): string => JSON.stringify(value);
const isNot = (value: string, what: string, expected: string): string =>
  `${quoted(value)} is not ${what}; expected ${expected}`;

/** All faults of a node's `link`; none: clients accept the link. */
export function linkFaults(value: unknown): readonly LinkFault[] {
  const link = readShape(value);
  if ('faults' in link) return link.faults;
  return [
    ...transportFaults(link),
    ...nameFaults(link),
    ...protocolFaults(link),
    ...(link.security === 'tls' ? tlsFaults(link) : []),
    ...(link.security === 'reality' ? realityFaults(link) : []),
    ...securityFaults(link),
  ];
}

type Check = readonly [
  key: LinkKey,
  value: string | undefined,
  isRight: (value: string) => boolean,
];

/** Checks of values that are given. */
function wrongOnes(
  checks: readonly (readonly [...Check, what: string, expected: string])[],
): LinkFault[] {
  return checks.flatMap(([key, value, isRight, what, expected]) =>
    value === undefined || isRight(value) ? [] : [{ key, sentence: isNot(value, what, expected) }],
  );
}

const among =
  (...values: readonly string[]) =>
  (value: string): boolean =>
    values.includes(value);

const modes = {
  grpc: ['gun', 'multi'],
  xhttp: ['auto', 'packet-up', 'stream-up', 'stream-one'],
} as const;

function transportFaults(link: LinkSettings): LinkFault[] {
  const { type, mode, headerType, extra, path } = link;
  const faults: LinkFault[] = [];
  if (type === 'ws') {
    const expected = 'one without #, and with % only before two hex digits';
    faults.push(...wrongOnes([['path', path, isWsPath, 'a path of ws', expected]]));
  }
  if (type === 'grpc' || type === 'xhttp') {
    const allowed = modes[type];
    const what = `a mode of ${type}`;
    faults.push(...wrongOnes([['mode', mode, among(...allowed), what, allowed.join(', ')]]));
  }
  if (type === 'tcp') {
    const known = among('none', 'http');
    faults.push(...wrongOnes([['headerType', headerType, known, 'a header of tcp', 'none, http']]));
  }
  if (type === 'xhttp' && extra !== undefined) faults.push(...extraFaults(extra, mode ?? 'auto'));
  return faults;
}

function nameFaults({ hostHeader, authority, sni, vcn }: LinkSettings): LinkFault[] {
  const isHeader = (value: string) => asciiHostHeader(value) !== undefined;
  const isHost = (value: string) => asciiHost(value) !== undefined;
  const host = 'a domain or an IP address';
  return wrongOnes([
    ['hostHeader', hostHeader, isHeader, 'a host', `${host}, with a port or without`],
    ['authority', authority, isHeader, 'a host', `${host}, with a port or without`],
    ['sni', sni, isHost, 'a host', host],
    [
      'vcn',
      vcn,
      (value) => asciiNames(value) !== undefined,
      'a list of names',
      'domains, as a.net,b.net',
    ],
  ]);
}

const ciphers = ['auto', 'aes-128-gcm', 'chacha20-poly1305', 'none', 'zero'];

function protocolFaults(link: LinkSettings): LinkFault[] {
  const { protocol, encryption, scy, flow } = link;
  if (protocol === 'vmess') {
    return wrongOnes([['scy', scy, among(...ciphers), 'a cipher of VMess', ciphers.join(', ')]]);
  }
  const faults =
    protocol === 'vless'
      ? wrongOnes([
          [
            ...(['encryption', encryption, isEncryption, 'an encryption of VLESS'] as const),
            'none, or the text that "xray vlessenc" prints for a client',
          ],
        ])
      : [];
  if (flow === '' || flowFits(link)) return faults;
  const sentence = `${quoted(flow)} is for VLESS over TCP with tls or reality; leave it out here`;
  return [...faults, { key: 'flow', sentence }];
}

function flowFits({ protocol, type, security, encryption, headerType }: LinkSettings): boolean {
  if (protocol !== 'vless') return false;
  if (type !== 'tcp') return encryption !== 'none';
  return headerType === 'none' && (security !== 'none' || encryption !== 'none');
}

function tlsFaults(link: LinkSettings): LinkFault[] {
  const isProtocol = (name: string) => /^[\x21-\x7e]{1,255}$/.test(name);
  const wrong = alpnOf(link).find((name) => !isProtocol(name));
  const { fp, pcs, ech } = link;
  return [
    ...wrongOnes([
      ['fp', fp, (value) => isPrint(value, 'tls'), 'a fingerprint', printNames],
      [
        'pcs',
        pcs,
        arePins,
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
      ['alpn', wrong, () => false, 'a protocol of ALPN', 'names as h2,http/1.1'],
    ]),
  ];
}

const keyIs = '43 characters of base64url, as "xray x25519" prints (Password)';

function realityFaults(link: LinkSettings): LinkFault[] {
  const { fp, pbk, sni, sid, spx, pqv } = link;
  const missing = (['pbk', 'sni'] as const).filter((key) => link[key] === undefined);
  return [
    ...missing.map((key) => ({
      key,
      sentence: `is missing; expected ${key === 'pbk' ? keyIs : 'one of the serverNames of the node'}`,
    })),
    ...wrongOnes([
      ['fp', fp, (value) => isPrint(value, 'reality'), 'a fingerprint', printNames],
      ['pbk', pbk, (value) => isBase64Url(value, 32), 'a REALITY public key', keyIs],
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

function securityFaults({ protocol, host, type, security, encryption }: LinkSettings): LinkFault[] {
  const wrong = (sentence: string) => [{ key: 'security', sentence }];
  if (security === 'reality' && protocol === 'vmess') {
    return wrong('"reality" is not a security of a VMess link; expected none or tls');
  }
  if (security === 'reality' && !realityTypes.includes(type)) {
    return wrong(
      `"reality" is not a security of ${type}; expected none or tls, or a type of ${realityTypes.join(', ')}`,
    );
  }
  if (security !== 'none' || protocol === 'vmess' || isNetworkOfOurs(host)) return [];
  if (protocol === 'vless' && encryption !== 'none') return [];
  const name = protocol === 'vless' ? 'VLESS' : 'Trojan';
  const others = protocol === 'vless' ? 'tls, reality, or an encryption' : 'tls or reality';
  return wrong(
    `"none" is not a security of ${name} to the public host "${host}"; expected ${others}`,
  );
}

/** Keys that a link of each kind does not carry. */
export function unusedKeys(value: unknown): readonly string[] {
  const link = readShape(value);
  if ('faults' in link) return [];
  const carried = new Set<string>([
    ...['protocol', 'host', 'port', 'name', 'type', 'security'],
    ...ofProtocol[link.protocol],
    ...(link.type === 'tcp' && link.headerType === 'none' ? ['headerType'] : ofType[link.type]),
    ...(link.protocol === 'vmess' && link.security === 'reality' ? [] : ofSecurity[link.security]),
  ]);
  const plain = linkShape.parse({ host: link.host, port: link.port });
  return Object.keys(value as object).filter(
    (key) => !carried.has(key) && link[key as LinkKey] !== plain[key as LinkKey],
  );
}

const ofProtocol = { vless: ['encryption', 'flow'], trojan: [], vmess: ['scy'] } as const;
const ofType = {
  tcp: ['headerType', 'path', 'hostHeader'],
  ws: ['path', 'hostHeader'],
  httpupgrade: ['path', 'hostHeader'],
  grpc: ['serviceName', 'mode', 'authority'],
  xhttp: ['path', 'hostHeader', 'mode', 'extra'],
} as const;
const ofSecurity = {
  none: [],
  tls: ['sni', 'fp', 'alpn', 'pcs', 'vcn', 'ech'],
  reality: ['sni', 'fp', 'pbk', 'sid', 'spx', 'pqv'],
} as const;
