import { expect, test } from 'vitest';
import { checkLink, findUnusedKeys } from './link-faults.ts';
import { formatLinkFault } from './link-settings.ts';

const at = { host: 'nl1.example.net', port: 443 };
const pbk = 'jNXHt1yRo0vDuchQlIP6Z0ZvjT3KtzVI-T4E7RoLJS0';
const reality = { security: 'reality', sni: 'example.com', pbk, sid: '01' };
const encryption = `mlkem768x25519plus.native.0rtt.${'k'.repeat(43)}`;
const tls = { ...at, security: 'tls' };
const faults: readonly [title: string, settings: object, sentence: string | undefined][] = [
  ['reality without a key', { ...at, ...reality, pbk: undefined }, 'link.pbk: is missing; '],
  ['reality without a name', { ...at, ...reality, sni: undefined }, 'link.sni: is missing; '],
  [
    'the placeholder of a document',
    { ...at, ...reality, pbk: 'PUBLIC_KEY' },
    'link.pbk: "PUBLIC_KEY" is not a REALITY public key; expected 43',
  ],
  ['a key that is one letter short', { ...at, ...reality, pbk: pbk.slice(1) }, 'link.pbk: '],
  ['a key in the other base64', { ...at, ...reality, pbk: `+${pbk.slice(1)}` }, 'link.pbk: '],
  [
    'a short id that is a number',
    { ...at, ...reality, sid: 1 },
    'link.sid: is not a text; put it in quotes, as "01"',
  ],
  [
    'a short id of an odd length',
    { ...at, ...reality, sid: '012' },
    'link.sid: "012" is not a short id',
  ],
  ['a short id that is too long', { ...at, ...reality, sid: '00'.repeat(9) }, 'link.sid: '],
  ['a short id of 16 digits', { ...at, ...reality, sid: '00'.repeat(8) }, undefined],
  ['an empty short id', { ...at, ...reality, sid: '' }, undefined],
  ['an address with a zone', { ...tls, host: 'fe80::1%eth0' }, 'link.host: "fe80::1%eth0"'],
  ['a label of 64 letters', { ...tls, host: `${'a'.repeat(64)}.net` }, 'link.host: '],
  ['a domain of 254 letters', { ...tls, sni: `${'abc.'.repeat(63)}ab` }, 'link.sni: '],
  ['a path of ws with #', { ...tls, type: 'ws', path: '/a#b' }, 'link.path: "/a#b" is not a path'],
  ['a path of ws with a bad %', { ...tls, type: 'ws', path: '/a%zz' }, 'link.path: '],
  ['a path of ws', { ...tls, type: 'ws', path: '/ä b%20?ed=2048' }, undefined],
  ['a path of xhttp with #', { ...tls, type: 'xhttp', path: '/a#b%zz' }, undefined],
  ['a name with half a character', { ...tls, name: 'a\ud800' }, 'link.name: has a control'],
  ['a name with a NUL', { ...tls, name: 'a\0' }, 'link.name: has a control'],
  ['a long name', { ...tls, name: 'x'.repeat(201) }, 'link.name: is too long'],
  ['a path with a line end', { ...tls, type: 'grpc', serviceName: 'a\nb' }, 'link.serviceName: '],
  ['spx without a slash', { ...at, ...reality, spx: 'a' }, 'link.spx: "a" is not a path'],
  ['spx that cannot be decoded', { ...at, ...reality, spx: '/%zz' }, 'link.spx: '],
  ['spx', { ...at, ...reality, spx: '/a?p=1' }, undefined],
  ['pqv', { ...at, ...reality, pqv: 'PQ' }, 'link.pqv: "PQ" is not an ML-DSA-65'],
  [
    'VMess with reality',
    { ...at, ...reality, protocol: 'vmess' },
    'link.security: "reality" is not a security of a VMess',
  ],
  [
    'ws with reality',
    { ...at, ...reality, type: 'ws' },
    'link.security: "reality" is not a security of ws; ',
  ],
  [
    'httpupgrade with reality',
    { ...at, ...reality, type: 'httpupgrade' },
    'link.security: "reality" is not',
  ],
  ['xhttp with reality', { ...at, ...reality, type: 'xhttp' }, undefined],
  [
    'an unknown fingerprint',
    { ...tls, fp: 'chrom' },
    'link.fp: "chrom" is not a fingerprint; expected chrome, ',
  ],
  ['a fingerprint in capitals', { ...tls, fp: 'Chrome' }, 'link.fp: '],
  ['a fingerprint that REALITY refuses', { ...at, ...reality, fp: 'unsafe' }, 'link.fp: '],
  ['a fingerprint of one version', { ...tls, fp: 'hellochrome_133' }, undefined],
  ['a version that there is not', { ...tls, fp: 'hellochrome_999' }, 'link.fp: '],
  [
    'an unknown mode of xhttp',
    { ...tls, type: 'xhttp', mode: 'gun' },
    'link.mode: "gun" is not a mode of xhttp; expected auto, ',
  ],
  [
    'an unknown mode of grpc',
    { ...tls, type: 'grpc', mode: 'auto' },
    'link.mode: "auto" is not a mode of grpc; expected gun, multi',
  ],
  [
    'an unknown header',
    { ...tls, headerType: 'srtp' },
    'link.headerType: "srtp" is not a header of tcp; ',
  ],
  [
    'an unknown encryption',
    { ...tls, encryption: 'auto' },
    'link.encryption: "auto" is not an encryption of VLESS',
  ],
  [
    'an encryption without a key',
    { ...tls, encryption: 'mlkem768x25519plus.native.0rtt.100-111-1111' },
    'link.encryption: ',
  ],
  [
    'an encryption with a truncated key',
    { ...tls, encryption: encryption.slice(0, -1) },
    'link.encryption: ',
  ],
  ['an encryption that is there', { ...at, encryption }, undefined],
  [
    'an unknown cipher',
    { ...at, protocol: 'vmess', scy: 'rot13' },
    'link.scy: "rot13" is not a cipher',
  ],
  [
    'extra that is not JSON',
    { ...tls, type: 'xhttp', extra: 'xmux' },
    'link.extra: "xmux" is not a JSON object',
  ],
  [
    'extra that is a list',
    { ...tls, type: 'xhttp', extra: '[1]' },
    'link.extra: "[1]" is not a JSON object',
  ],
  [
    'extra with a value of another type',
    { ...tls, type: 'xhttp', extra: { xmux: { maxConcurrency: 'many' } } },
    'link.extra.xmux.maxConcurrency: is not a number',
  ],
  [
    'extra that the mode forbids',
    { ...tls, type: 'xhttp', mode: 'stream-one', extra: { downloadSettings: {} } },
    'link.extra.downloadSettings: ',
  ],
  ['extra as JSON', { ...tls, type: 'xhttp', extra: '{"scMaxEachPostBytes":"1-2"}' }, undefined],
  ['pcs that is not hex', { ...tls, pcs: 'q'.repeat(64) }, 'link.pcs: '],
  [
    'pcs that is too short',
    { ...tls, pcs: 'ab' },
    'link.pcs: "ab" is not a SHA-256 of a certificate in hex',
  ],
  ['two pins', { ...tls, pcs: `${'ab'.repeat(32)},${'CD'.repeat(32)}` }, undefined],
  ['ech', { ...tls, ech: 'yes' }, 'link.ech: "yes" is not an ECH configuration'],
  [
    'an sni that is not a host',
    { ...tls, sni: 'https://a.net' },
    'link.sni: "https://a.net" is not a host',
  ],
  [
    'a host header that is not a host',
    { ...tls, type: 'ws', hostHeader: 'a b' },
    'link.hostHeader: "a b" is not a host',
  ],
  [
    'plain VLESS to a public name',
    at,
    'link.security: "none" is not a security of VLESS to the public host "nl1.example.net"; expected tls',
  ],
  [
    'plain Trojan to a public address',
    { ...at, protocol: 'trojan', host: '8.8.8.8' },
    'link.security: "none" is not a security of Trojan',
  ],
  ['plain VMess, which encrypts by itself', { ...at, protocol: 'vmess' }, undefined],
  ['plain VLESS to a private address', { ...at, host: '10.0.0.7' }, undefined],
  ['plain VLESS to a private name', { ...at, host: 'node.lan' }, undefined],
  [
    'a flow without TLS',
    { ...at, host: '10.0.0.7', flow: 'xtls-rprx-vision' },
    'link.flow: "xtls-rprx-vision" is for VLESS over TCP',
  ],
  [
    'a flow over grpc',
    { ...at, ...reality, type: 'grpc', flow: 'xtls-rprx-vision' },
    'link.flow: ',
  ],
  ['a flow of Trojan', { ...tls, protocol: 'trojan', flow: 'xtls-rprx-vision' }, 'link.flow: '],
  [
    'a flow below a header',
    { ...tls, headerType: 'http', flow: 'xtls-rprx-vision' },
    'link.flow: ',
  ],
  [
    'an unknown type',
    { ...tls, type: 'pigeon' },
    'link.type: "pigeon" is not a transport of a link; expected tcp, raw',
  ],
  ['a port', { ...tls, port: 0 }, 'link.port: '],
  [
    'a misspelt key',
    { ...tls, snii: 'a.net' },
    'link.snii: is not a key of a link; expected protocol, host',
  ],
  [
    'a host with a space',
    { ...tls, host: 'a b' },
    'link.host: "a b" is not a host; expected a domain',
  ],
  [
    'a host that is a URL',
    { ...tls, host: 'https://a.net' },
    'link.host: "https://a.net" is not a host',
  ],
];

test.for(faults)('settings of a link: %s', ([, settings, sentence]) => {
  const found = checkLink(settings).map(formatLinkFault);
  if (sentence === undefined) expect(found).toEqual([]);
  else expect(found).toEqual([expect.stringContaining(sentence)]);
});

test('all faults of a link are found at once', () => {
  const settings = { ...at, security: 'reality', sni: 'a b', pbk: 'x', spx: 'y', fp: 'z' };
  expect(checkLink(settings).map(({ key }) => key)).toEqual(['sni', 'fp', 'pbk', 'spx']);
});

test('keys that a link does not contain are found', () => {
  const settings = { ...tls, type: 'ws', mode: 'auto', pbk, encryption: 'none', path: '/' };
  expect(findUnusedKeys(settings)).toEqual(['mode', 'pbk']);
  expect(findUnusedKeys({ ...tls, protocol: 'trojan', encryption })).toEqual(['encryption']);
});
