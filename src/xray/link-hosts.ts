import { BlockList, isIP } from 'node:net';
import { toAsciiHost } from './link-settings.ts';

// Hosts to which Xray lets VLESS and Trojan go without encryption: addresses and names that the
// public internet does not have.

const privateNetworks = new BlockList();
for (const network of [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16'],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3'],
]) {
  const [address = '', bits] = network.split('/');
  privateNetworks.addSubnet(address, Number(bits));
}
for (const [address, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  privateNetworks.addSubnet(address, bits, 'ipv6');
}

const privateSuffixes =
  /(?:^|\.)(?:lan|localdomain|example|invalid|localhost|test|local|home\.arpa|internal)$/;

/** True if a plain connection to this host does not leave a private network. */
export function isPrivateHost(host: string): boolean {
  const ascii = (toAsciiHost(host) ?? host).toLowerCase().replace(/\.$/, '');
  const family = isIP(ascii);
  if (family !== 0) return privateNetworks.check(ascii, family === 6 ? 'ipv6' : 'ipv4');
  return privateSuffixes.test(ascii) || /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(ascii);
}
