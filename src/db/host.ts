// Decides from the text of an address if it may be reachable from the public internet.

import { BlockList, isIP } from 'node:net';

const loopbackNetworks = new BlockList();
loopbackNetworks.addSubnet('127.0.0.0', 8);
loopbackNetworks.addAddress('::1', 'ipv6');

/** Private, link-local, shared by a carrier (100.64.0.0/10), or unspecified. */
const privateNetworks = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  privateNetworks.addSubnet(net, bits);
}
for (const [net, bits] of [
  ['::', 128],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  privateNetworks.addSubnet(net, bits, 'ipv6');
}

/** Ends of names that the public DNS does not have. */
const privateSuffixes = ['.internal', '.intranet', '.home.arpa', '.lan', '.local', '.localdomain'];

const toBareHost = (host: string): string =>
  host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();

const isListed = (list: BlockList, host: string): boolean =>
  list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');

/** The same machine: a loopback address or name, or a socket in the file system. */
export function isLoopback(host: string): boolean {
  const bare = toBareHost(host);
  if (bare === '' || bare.startsWith('/')) return true;
  if (isIP(bare) !== 0) return isListed(loopbackNetworks, bare);
  return bare === 'localhost' || bare.endsWith('.localhost');
}

/** A public IP address, or a name that the public DNS may have. */
export function isPublicHost(host: string): boolean {
  const bare = toBareHost(host);
  if (isLoopback(bare)) return false;
  if (isIP(bare) !== 0) return !isListed(privateNetworks, bare);
  return bare.includes('.') && !privateSuffixes.some((end) => bare.endsWith(end));
}
