import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CredentialId } from '../../../src/kernel/ids.ts';
import { formatShareLink } from '../../../src/xray/link.ts';
import { checkLink } from '../../../src/xray/link-faults.ts';
import { parseLink } from '../../../src/xray/link-settings.ts';
import { findXrayOrSkip } from '../../../testbed/real-xray.ts';
import { toOutbound } from './link-outbound.ts';

// Links that `apply` accepts, read by Xray's own outbound and by two other parsers.
//
// The parsers are Python packages of link-parsers.txt, in the folder of the variable LINK_PARSERS.
// This command installs them:
//
// python3 -m pip install --target FOLDER -r test/integration/xray/link-parsers.txt

const id = '2cbb1a2e-6a5e-4f2c-9d3a-0f1e2d3c4b5a' as CredentialId;
const pbk = 'jNXHt1yRo0vDuchQlIP6Z0ZvjT3KtzVI-T4E7RoLJS0';
const tls = { security: 'tls', sni: 'пример.рф', alpn: 'h2,http/1.1', fp: 'firefox' };
const reality = { security: 'reality', sni: 'example.com', pbk, sid: '01ab', spx: '/a?p=1' };
const pins = { pcs: 'ab'.repeat(32), vcn: 'a.net' };
const encryption = `mlkem768x25519plus.native.0rtt.100-111-1111.${'k'.repeat(43)}`;
const vision = { flow: 'xtls-rprx-vision' };
const extra = { xmux: { maxConcurrency: '16-32' }, xPaddingBytes: '100-1000' };

const nested = {
  ...{ xmux: { maxConcurrency: '16-32', cMaxReuseTimes: 0 }, headers: { 'X-A': 'b' } },
  downloadSettings: {
    ...{ address: 'b.net', port: 443, network: 'xhttp', security: 'tls' },
    ...{ tlsSettings: { serverName: 'b.net' }, xhttpSettings: { path: '/x' } },
  },
};

const transports = [
  { type: 'tcp' },
  { type: 'raw', headerType: 'http', path: '/p', hostHeader: 'пример.рф' },
  { type: 'ws', path: '/w?ed=2048', hostHeader: 'cdn.net:8443' },
  { type: 'httpupgrade', path: '/h', hostHeader: 'cdn.net' },
  { type: 'grpc', serviceName: 'my service', mode: 'multi', authority: 'a.b' },
  { type: 'xhttp', path: '/x', mode: 'packet-up', extra },
  { type: 'xhttp' },
];
const fingerprints =
  'chrome firefox safari ios android edge 360 qq random randomized hellochrome_133';

/** All combinations of protocol, transport and security, and special values. */
const settings: readonly object[] = [
  ...['vless', 'trojan', 'vmess'].flatMap((protocol) =>
    transports.flatMap((transport) =>
      [tls, { ...tls, ...pins }, reality, { host: '10.0.0.7' }].map((more) => ({
        ...{ protocol, host: 'Пример.рф', port: 443, name: 'Нидерланды 1', ...transport, ...more },
      })),
    ),
  ),
  ...fingerprints.split(' ').map((fp) => ({ host: 'a.net', port: 1, ...reality, fp })),
  ...['🇳🇱 NL #1 100% & a=b ? /', 'نود «۱»', '%41', '<b>"\''].map((name) => ({
    ...{ host: 'a.net', port: 443, ...tls, name },
  })),
  ...['[2001:db8::1]', '::ffff:1.2.3.4', '1.2.3.4', 'xn--e1afmkfd.xn--p1ai', '_a.net.'].flatMap(
    (host) =>
      ['vless', 'trojan', 'vmess'].map((protocol) => ({ protocol, host, port: 65_535, ...tls })),
  ),
  ...['/a b', '/a?ed=2048&b=c', '/a%20b&c=d', 'w'].map((path) => ({
    ...{ host: 'a.net', port: 443, ...tls, type: 'ws', path },
  })),
  ...['/my/path|multi', 'a%zz#b?c&d'].map((serviceName) => ({
    ...{ host: 'a.net', port: 443, ...tls, type: 'grpc', serviceName, mode: 'gun' },
  })),
  ...['aes-128-gcm', 'chacha20-poly1305', 'none', 'zero'].map((scy) => ({
    ...{ protocol: 'vmess', host: 'a.net', port: 443, ...tls, scy },
  })),
  ...['', 'AB', '0123456789abcdef'].map((sid) => ({ host: 'a.net', port: 443, ...reality, sid })),
  { host: 'a.net', port: 443, ...tls, type: 'xhttp', mode: 'stream-up', path: '/x', extra: nested },
  { host: '2001:db8::1', port: 443, ...reality, ...vision },
  { host: 'a.net', port: 443, ...tls, flow: 'xtls-rprx-vision-udp443' },
  { host: 'a.net', port: 443, encryption },
  { host: 'a.net', port: 443, type: 'xhttp', encryption, ...vision },
  { host: 'a.net', port: 443, ...reality, pqv: `${'Q'.repeat(2_602)}A` },
];
const accepted = settings.filter((each) => checkLink(each).length === 0);
const links = accepted.map((each) => {
  const link = parseLink('n', each);
  return formatShareLink(link, id, link.name ?? 'Нидерланды 1');
});

test('there are many samples, and `apply` refuses only REALITY over a wrong transport or protocol', () => {
  expect(accepted.length).toBeGreaterThan(80);
  const refused = settings.filter((each) => !accepted.includes(each));
  for (const each of refused) expect(each).toMatchObject({ security: 'reality' });
});

const xray = findXrayOrSkip('links against the outbound of Xray');

test.skipIf(xray === undefined)(
  'the outbound of Xray accepts each link that `apply` accepts',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'perennial-links-'));
    try {
      const file = join(folder, 'config.json');
      const outbounds = links.map((link, at) => ({ tag: `out-${at}`, ...toOutbound(link) }));
      writeFileSync(file, JSON.stringify({ outbounds }));
      const { status, stdout } = spawnSync(xray as string, ['run', '-test', '-c', file], {
        encoding: 'utf8',
      });
      expect(status, stdout.slice(-2_000)).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  60_000,
);

const parsers = {
  singbox2proxy:
    'from singbox2proxy import parsers as p\nparse = {"vless": p.parse_vless_link, "vmess": p.parse_vmess_link, "trojan": p.parse_trojan_link}',
  v2ray2proxy:
    'from v2ray2proxy.base import V2RayProxy as p\nparse = {k: (lambda l, f=getattr(p, f"_parse_{k}_link"): f(None, l)) for k in ("vless", "vmess", "trojan")}',
};
const environment = { ...process.env, PYTHONPATH: process.env.LINK_PARSERS ?? '' };

function findSkipReason(code: string): string | undefined {
  const { status, error } = spawnSync('python3', ['-c', code], { env: environment });
  if (error !== undefined) return 'no python3 on the PATH';
  return status === 0 ? undefined : 'not installed; LINK_PARSERS names the folder of the packages';
}

for (const [name, code] of Object.entries(parsers)) {
  const reason = findSkipReason(code);
  if (reason !== undefined) process.stderr.write(`skipped: links against ${name}: ${reason}\n`);
  test.skipIf(reason !== undefined)(
    `each link that apply accepts is accepted by ${name}`,
    () => {
      const script = `import json, sys\n${code}\nprint(json.dumps([parse[l.split(":")[0]](l) for l in json.load(sys.stdin)]))`;
      const printed = execFileSync('python3', ['-c', script], {
        ...{ input: JSON.stringify(links), env: environment, encoding: 'utf8' },
      });
      // A package may print another line at the end of its import.
      const line = printed.split('\n').find((one) => one.startsWith('[{')) ?? '[]';
      const read = JSON.parse(line) as object[];
      expect(read).toHaveLength(links.length);
      for (const [at, outbound] of read.entries()) {
        const text = JSON.stringify(outbound);
        expect(text, links[at]).toContain(id);
        expect(text, links[at]).not.toMatch(/"alpn": ?\[""\]|[^ -~]/);
      }
    },
    60_000,
  );
}
