import { expect, test } from 'vitest';
import type { CredentialId } from '../kernel/ids.ts';
import { formatShareLink } from './link.ts';
import { findUnusedKeys } from './link-faults.ts';
import { parseLink, toAsciiHost, toAsciiHostHeader } from './link-settings.ts';

const id = '2cbb1a2e-6a5e-4f2c-9d3a-0f1e2d3c4b5a' as CredentialId;
const parseSettings = (settings: object): string => {
  const parsed = parseLink('nl-1', settings);
  return formatShareLink(parsed, id, parsed.name ?? 'nl-1');
};
const at = { host: 'nl1.example.net', port: 443 };
const pbk = 'jNXHt1yRo0vDuchQlIP6Z0ZvjT3KtzVI-T4E7RoLJS0';
const reality = { security: 'reality', sni: 'example.com', pbk, sid: '01' };
const pqv = 'Q'.repeat(2_603);
const encryption = `mlkem768x25519plus.native.0rtt.${'k'.repeat(43)}`;

const links: readonly [title: string, settings: object, link: string][] = [
  [
    'tcp, reality, vision',
    { ...at, ...reality, type: 'tcp', flow: 'xtls-rprx-vision' },
    `vless://${id}@nl1.example.net:443?type=tcp&encryption=none&flow=xtls-rprx-vision&security=reality&sni=example.com&fp=chrome&pbk=${pbk}&sid=01#nl-1`,
  ],
  [
    'tcp by its new name, with spiderX and a post-quantum key',
    { ...at, ...reality, type: 'raw', spx: '/a?b', pqv },
    `vless://${id}@nl1.example.net:443?type=tcp&encryption=none&security=reality&sni=example.com&fp=chrome&pbk=${pbk}&sid=01&spx=%2Fa%3Fb&pqv=${pqv}#nl-1`,
  ],
  [
    'ws, tls',
    {
      ...at,
      type: 'ws',
      security: 'tls',
      path: '/chat?ed=2048',
      hostHeader: 'cdn.example.net',
      sni: 'cdn.example.net',
      fp: 'firefox',
      alpn: ['h2', 'http/1.1'],
    },
    `vless://${id}@nl1.example.net:443?type=ws&encryption=none&path=%2Fchat%3Fed%3D2048&host=cdn.example.net&security=tls&sni=cdn.example.net&fp=firefox&alpn=h2%2Chttp%2F1.1#nl-1`,
  ],
  [
    'grpc, reality',
    { ...at, ...reality, type: 'grpc', serviceName: 'my service', mode: 'multi', authority: 'a.b' },
    `vless://${id}@nl1.example.net:443?type=grpc&encryption=none&serviceName=my%20service&mode=multi&authority=a.b&security=reality&sni=example.com&fp=chrome&pbk=${pbk}&sid=01#nl-1`,
  ],
  [
    'xhttp with extra settings',
    { ...at, type: 'xhttp', security: 'tls', path: '/x', extra: { xmux: { maxConcurrency: 1 } } },
    `vless://${id}@nl1.example.net:443?type=xhttp&encryption=none&path=%2Fx&mode=auto&extra=%7B%22xmux%22%3A%7B%22maxConcurrency%22%3A1%7D%7D&security=tls&fp=chrome#nl-1`,
  ],
  [
    'xhttp with its own encryption has a flow',
    { ...at, type: 'xhttp', encryption, flow: 'xtls-rprx-vision' },
    `vless://${id}@nl1.example.net:443?type=xhttp&encryption=${encryption}&flow=xtls-rprx-vision&path=%2F&mode=auto&security=none#nl-1`,
  ],
  [
    'trojan, which has no encryption to name',
    { ...at, protocol: 'trojan', security: 'tls', sni: 'example.com' },
    `trojan://${id}@nl1.example.net:443?type=tcp&security=tls&sni=example.com&fp=chrome#nl-1`,
  ],
  [
    'a name with a space, a plus and Cyrillic letters',
    { ...at, name: 'Нидерланды 1 + 2 #best' },
    `vless://${id}@nl1.example.net:443?type=tcp&encryption=none&security=none#%D0%9D%D0%B8%D0%B4%D0%B5%D1%80%D0%BB%D0%B0%D0%BD%D0%B4%D1%8B%201%20%2B%202%20%23best`,
  ],
  [
    'IPv6 in brackets',
    { host: '2001:db8::1', port: 8443 },
    `vless://${id}@[2001:db8::1]:8443?type=tcp&encryption=none&security=none#nl-1`,
  ],
  [
    'IPv6 with brackets in the settings',
    { host: '[2001:db8::1]', port: 8443 },
    `vless://${id}@[2001:db8::1]:8443?type=tcp&encryption=none&security=none#nl-1`,
  ],
  [
    'international domains in punycode, also as sni, host header and vcn',
    {
      ...{ host: 'Пример.рф', port: 443, type: 'ws', security: 'tls', sni: 'Пример.рф' },
      ...{ hostHeader: 'Пример.рф:8443', vcn: 'bücher.example,a.net' },
    },
    `vless://${id}@xn--e1afmkfd.xn--p1ai:443?type=ws&encryption=none&path=%2F&host=xn--e1afmkfd.xn--p1ai%3A8443&security=tls&sni=xn--e1afmkfd.xn--p1ai&fp=chrome&vcn=xn--bcher-kva.example%2Ca.net#nl-1`,
  ],
];

test.for(links)('%s', ([, settings, link]) => {
  expect(parseSettings(settings)).toBe(link);
});

test.for(links)('%s: the link is a URL without repeated keys', ([, settings]) => {
  const { searchParams } = new URL(parseSettings(settings));
  const keys = [...searchParams.keys()];
  expect(new Set(keys).size).toBe(keys.length);
});

const vmess: readonly [title: string, settings: object, differs: object][] = [
  ['tcp', { ...at }, {}],
  [
    'ws, tls: no alpn instead of an empty one',
    { ...at, type: 'ws', security: 'tls', path: '/w', hostHeader: 'cdn.net', sni: 's.net' },
    { net: 'ws', host: 'cdn.net', path: '/w', tls: 'tls', sni: 's.net', fp: 'chrome' },
  ],
  [
    'grpc, tls',
    { ...at, type: 'grpc', security: 'tls', serviceName: 'sv', alpn: 'h2' },
    { net: 'grpc', type: 'gun', path: 'sv', tls: 'tls', fp: 'chrome', alpn: 'h2' },
  ],
  [
    'xhttp: its mode is the type, and also a separate key',
    { ...at, type: 'xhttp', path: '/x' },
    { net: 'xhttp', type: 'auto', mode: 'auto', path: '/x' },
  ],
  [
    'xhttp, tls, with all keys of clients',
    {
      ...{ ...at, type: 'xhttp', security: 'tls', mode: 'packet-up', extra: { noSSEHeader: true } },
      ...{ pcs: 'ab'.repeat(32), vcn: 'пример.рф', sni: 'пример.рф' },
    },
    {
      ...{ net: 'xhttp', type: 'packet-up', mode: 'packet-up', extra: '{"noSSEHeader":true}' },
      ...{ path: '/', tls: 'tls', fp: 'chrome', pcs: 'ab'.repeat(32) },
      ...{ vcn: 'xn--e1afmkfd.xn--p1ai', sni: 'xn--e1afmkfd.xn--p1ai' },
    },
  ],
  ['IPv6, without brackets in JSON', { host: '[2001:db8::1]', port: 443 }, { add: '2001:db8::1' }],
  ['letters of others', { ...at, name: 'Эстония' }, { ps: 'Эстония' }],
];

test.for(vmess)('vmess: %s', ([, settings, differs]) => {
  const link = parseSettings({ ...settings, protocol: 'vmess' });
  const read = JSON.parse(Buffer.from(link.slice('vmess://'.length), 'base64').toString());
  expect(read).toEqual({
    ...{ v: '2', ps: 'nl-1', add: 'nl1.example.net', port: '443', id, aid: '0', scy: 'auto' },
    ...{ net: 'tcp', type: 'none', host: '', path: '', tls: '', sni: '', fp: '' },
    ...differs,
  });
});

test('a stored link that `apply` would refuse today is still formatted; one with a wrong shape is not', () => {
  expect(parseSettings(at)).toMatch(/^vless:/);
  expect(() => parseSettings({ ...at, port: 0 })).toThrow('node nl-1: link.port: ');
});

test.for(links)('%s: the link carries each key', ([, settings]) => {
  expect(findUnusedKeys(settings)).toEqual([]);
});

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['NL1.Example.NET', 'nl1.example.net'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['', undefined],
  ['a/b', undefined],
  ['a:1', undefined],
])('host %s is %s', (host, ascii) => {
  expect(toAsciiHost(host)).toBe(ascii);
});

test.each([
  ['cdn.net:8443', 'cdn.net:8443'],
  ['Пример.рф, a.net', 'xn--e1afmkfd.xn--p1ai,a.net'],
  ['[2001:db8::1]:80', '[2001:db8::1]:80'],
  ['a b', undefined],
])('host header %s is %s', (header, ascii) => {
  expect(toAsciiHostHeader(header)).toBe(ascii);
});
