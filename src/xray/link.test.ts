import { describe, expect, test } from 'vitest';
import type { CredentialId } from '../kernel/ids.ts';
import { shareLink } from './link.ts';
import { asciiHost, readLink } from './link-settings.ts';

const id = '2cbb1a2e-6a5e-4f2c-9d3a-0f1e2d3c4b5a' as CredentialId;
const linkOf = (settings: object): string => shareLink(readLink('nl-1', settings), id, 'nl-1');
const at = { host: 'nl1.example.net', port: 443 };
const reality = { security: 'reality', sni: 'example.com', pbk: 'KEY-_1', sid: '01' };

const links: readonly [title: string, settings: object, link: string][] = [
  [
    'tcp, reality, vision',
    { ...at, ...reality, type: 'tcp', flow: 'xtls-rprx-vision' },
    `vless://${id}@nl1.example.net:443?type=tcp&encryption=none&flow=xtls-rprx-vision&security=reality&sni=example.com&fp=chrome&pbk=KEY-_1&sid=01#nl-1`,
  ],
  [
    'tcp by its new name, with spiderX and a post-quantum key',
    { ...at, ...reality, type: 'raw', spx: '/a?b', pqv: 'PQ' },
    `vless://${id}@nl1.example.net:443?type=tcp&encryption=none&security=reality&sni=example.com&fp=chrome&pbk=KEY-_1&sid=01&spx=%2Fa%3Fb&pqv=PQ#nl-1`,
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
    `vless://${id}@nl1.example.net:443?type=grpc&encryption=none&serviceName=my%20service&mode=multi&authority=a.b&security=reality&sni=example.com&fp=chrome&pbk=KEY-_1&sid=01#nl-1`,
  ],
  [
    'xhttp with extra settings',
    { ...at, type: 'xhttp', security: 'tls', path: '/x', extra: { xmux: { maxConcurrency: 1 } } },
    `vless://${id}@nl1.example.net:443?type=xhttp&encryption=none&path=%2Fx&mode=auto&extra=%7B%22xmux%22%3A%7B%22maxConcurrency%22%3A1%7D%7D&security=tls&fp=chrome#nl-1`,
  ],
  [
    'xhttp with encryption of its own takes a flow',
    { ...at, type: 'xhttp', encryption: 'mlkem768x25519plus.native', flow: 'xtls-rprx-vision' },
    `vless://${id}@nl1.example.net:443?type=xhttp&encryption=mlkem768x25519plus.native&flow=xtls-rprx-vision&path=%2F&mode=auto&security=none#nl-1`,
  ],
  [
    'trojan, which has no encryption to name',
    { ...at, protocol: 'trojan', security: 'tls', sni: 'example.com' },
    `trojan://${id}@nl1.example.net:443?type=tcp&security=tls&sni=example.com&fp=chrome#nl-1`,
  ],
  [
    'a name with a space, a plus and letters of others',
    { ...at, name: 'Нидерланды 1 + 2 #best' },
    `vless://${id}@nl1.example.net:443?type=tcp&encryption=none&security=none#%D0%9D%D0%B8%D0%B4%D0%B5%D1%80%D0%BB%D0%B0%D0%BD%D0%B4%D1%8B%201%20%2B%202%20%23best`,
  ],
  [
    'IPv6 in brackets',
    { host: '2001:db8::1', port: 8443 },
    `vless://${id}@[2001:db8::1]:8443?type=tcp&encryption=none&security=none#nl-1`,
  ],
  [
    'IPv6 that has its brackets already',
    { host: '[2001:db8::1]', port: 8443 },
    `vless://${id}@[2001:db8::1]:8443?type=tcp&encryption=none&security=none#nl-1`,
  ],
  [
    'a domain of other letters in punycode',
    { host: 'Пример.рф', port: 443 },
    `vless://${id}@xn--e1afmkfd.xn--p1ai:443?type=tcp&encryption=none&security=none#nl-1`,
  ],
];

test.for(links)('%s', ([, settings, link]) => {
  expect(linkOf(settings)).toBe(link);
});

test.for(links)('%s: is a URL, and nothing in it is twice', ([, settings]) => {
  const { searchParams } = new URL(linkOf(settings));
  const keys = [...searchParams.keys()];
  expect(new Set(keys).size).toBe(keys.length);
});

const vmess: readonly [title: string, settings: object, differs: object][] = [
  ['tcp', { ...at }, {}],
  [
    'ws, tls',
    { ...at, type: 'ws', security: 'tls', path: '/w', hostHeader: 'cdn.net', sni: 's.net' },
    { net: 'ws', host: 'cdn.net', path: '/w', tls: 'tls', sni: 's.net', fp: 'chrome' },
  ],
  [
    'grpc, tls',
    { ...at, type: 'grpc', security: 'tls', serviceName: 'sv', alpn: 'h2' },
    { net: 'grpc', type: 'gun', path: 'sv', tls: 'tls', fp: 'chrome', alpn: 'h2' },
  ],
  ['IPv6, without brackets in JSON', { host: '[2001:db8::1]', port: 443 }, { add: '2001:db8::1' }],
  ['letters of others', { ...at, name: 'Эстония' }, { ps: 'Эстония' }],
];

test.for(vmess)('vmess: %s', ([, settings, differs]) => {
  const link = linkOf({ ...settings, protocol: 'vmess' });
  const said = JSON.parse(Buffer.from(link.slice('vmess://'.length), 'base64').toString());
  expect(said).toEqual({
    v: '2',
    ps: 'nl-1',
    add: 'nl1.example.net',
    port: '443',
    id,
    aid: '0',
    scy: 'auto',
    net: 'tcp',
    type: 'none',
    host: '',
    path: '',
    tls: '',
    sni: '',
    fp: '',
    alpn: '',
    ...differs,
  });
});

describe('settings that make no link are told with the node and the key', () => {
  const wrong: readonly [settings: object, sentence: string][] = [
    [{ ...at, ...reality, pbk: undefined }, 'link.pbk is missing; reality needs it'],
    [{ ...at, ...reality, sni: undefined }, 'link.sni is missing; reality needs it'],
    [{ ...at, ...reality, sid: 1 }, 'link.sid: must be a text; put it in quotes, as "01"'],
    [{ ...at, ...reality, sid: '012' }, 'link.sid: "012" is not a short id'],
    [{ ...at, ...reality, protocol: 'vmess' }, 'link.security: reality has no place'],
    [{ ...at, flow: 'xtls-rprx-vision' }, 'link.flow is for VLESS over TCP'],
    [{ ...at, ...reality, type: 'grpc', flow: 'xtls-rprx-vision' }, 'link.flow is for VLESS'],
    [{ ...at, protocol: 'trojan', security: 'tls', flow: 'xtls-rprx-vision' }, 'link.flow is for'],
    [{ ...at, type: 'pigeon' }, 'link.type: '],
    [{ ...at, port: 0 }, 'link.port: '],
    [{ ...at, snii: 'a.net' }, 'link.settings: Unrecognized key: "snii"'],
    [{ ...at, host: 'a b' }, 'link.host: "a b" is no host'],
    [{ ...at, host: 'https://a.net' }, 'link.host: "https://a.net" is no host'],
  ];
  test.for(wrong)('%o', ([settings, sentence]) => {
    expect(() => readLink('nl-1', settings)).toThrow(`node nl-1: ${sentence}`);
  });
});

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['NL1.Example.NET', 'nl1.example.net'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['', undefined],
  ['a/b', undefined],
  ['a:1', undefined],
])('host %s is %s', (host, ascii) => {
  expect(asciiHost(host)).toBe(ascii);
});
