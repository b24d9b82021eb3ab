import { expect, test } from 'vitest';
import { checkLinkFit } from './link-fit.ts';
import { linkSettingsSchema } from './link-settings.ts';
import type { Inbound, InboundStream } from './port.ts';

const pbk = 'jNXHt1yRo0vDuchQlIP6Z0ZvjT3KtzVI-T4E7RoLJS0';
const link = (more: object) =>
  linkSettingsSchema.parse({ host: 'nl1.example.net', port: 443, ...more });
const reality = { security: 'reality', sni: 'example.com', sid: '01', pbk };
const inbound = (
  front?: Partial<InboundStream>,
  protocol: 'vless' | 'trojan' = 'vless',
): Inbound => ({
  ...{ tag: 'v', manages: true, protocol },
  ...(front && {
    stream: { network: 'tcp', security: 'none', serverNames: [], shortIds: [], ...front },
  }),
});
const real = {
  security: 'reality',
  serverNames: ['example.com'],
  shortIds: ['0100000000000000'],
} as const;

const certified = {
  security: 'tls',
  serverNames: ['nl1.example.net', 'a.example.com', '*.cdn.example.com', 'xn--e1afmkfd.xn--p1ai'],
} as const;

const cases: readonly [
  title: string,
  link: object,
  inbounds: Inbound[],
  misfit: RegExp | undefined,
][] = [
  [
    'another protocol',
    {},
    [inbound(undefined, 'trojan')],
    /^link\.protocol: "vless" .* expected trojan$/,
  ],
  ['one inbound of two', {}, [inbound(undefined, 'trojan'), inbound()], undefined],
  ['the same REALITY', reality, [inbound(real)], undefined],
  [
    'another sni',
    { ...reality, sni: 'a.net' },
    [inbound(real)],
    /^link\.sni: "a\.net" .* expected example\.com$/,
  ],
  [
    'another short id',
    { ...reality, sid: '02' },
    [inbound(real)],
    /^link\.sid: "02" .* expected "01"$/,
  ],
  ['REALITY in the link alone', reality, [inbound({})], /^link\.security: "reality"/],
  [
    'REALITY only on the node',
    { security: 'tls' },
    [inbound(real)],
    /^link\.security: "tls" .* reality$/,
  ],
  [
    'a flow with plain TCP',
    { security: 'tls', flow: 'xtls-rprx-vision' },
    [inbound({})],
    /^link\.flow: /,
  ],
  [
    'a flow with ws',
    { security: 'tls', flow: 'xtls-rprx-vision' },
    [inbound({ network: 'websocket', security: 'tls' })],
    /^link\.flow: /,
  ],
  [
    'TLS that a proxy ends before the node',
    { security: 'tls', type: 'ws' },
    [inbound({ network: 'websocket' })],
    undefined,
  ],
  ...(
    [
      ['a name of the certificate', { sni: 'A.example.com' }, undefined],
      ['the host as the name', {}, undefined],
      ['a wildcard for one label', { sni: 'x.cdn.example.com' }, undefined],
      ['a wildcard and two labels', { sni: 'y.x.cdn.example.com' }, /^link\.sni: "y\.x\.cdn/],
      ['an IDN', { sni: 'пример.рф' }, undefined],
      [
        'another name than in the certificate',
        { sni: 'b.example.com' },
        /^link\.sni: "b\.example\.com" .* expected nl1\.example\.net, a\.example\.com/,
      ],
      ['another host than the certificate has', { host: 'x.net' }, /^link\.host: "x\.net"/],
      ['names to verify in place of sni', { sni: 'b.net', vcn: 'q.net,a.example.com' }, undefined],
      ['another name to verify', { vcn: 'q.net' }, /^link\.vcn: "q\.net"/],
      ['a pinned certificate', { sni: 'b.net', pcs: 'ab'.repeat(32) }, undefined],
    ] as const
  ).map(([title, more, misfit]): (typeof cases)[number] => [
    title,
    { security: 'tls', ...more },
    [inbound(certified)],
    misfit,
  ]),
  ['settings that the node does not return', reality, [inbound()], undefined],
];

test.for(cases)('the fit of a link: %s', ([, settings, inbounds, misfit]) => {
  const found = checkLinkFit(link(settings), inbounds);
  if (misfit === undefined) expect(found).toEqual([]);
  else expect(found).toEqual([expect.stringMatching(misfit)]);
});
