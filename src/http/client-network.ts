import { isIP } from 'node:net';

// The network that a limit counts for. One IPv4 address is one client. An IPv6 client commands a
// whole /64, so the first 64 bits count.

/** `::ffff:10.0.0.1`, as a socket that also takes IPv6 writes an IPv4 address. */
const mappedIpv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** @returns the address itself, or `2001:db8:0:1::/64`; undefined for what is no address */
export function toClientNetwork(address: string): string | undefined {
  const plain = address.replace(/%.*$/, '');
  const v4 = mappedIpv4.exec(plain)?.[1] ?? plain;
  switch (isIP(v4)) {
    case 4:
      return v4;
    case 6:
      return `${parseFirstGroups(v4).join(':')}::/64`;
    default:
      return undefined;
  }
}

function parseFirstGroups(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  // A dotted end stands for two groups.
  const countGroups = (groups: readonly string[]) =>
    groups.length + (groups.at(-1)?.includes('.') === true ? 1 : 0);
  const zeros = Array.from(
    { length: Math.max(0, 8 - countGroups(before) - countGroups(after)) },
    () => '0',
  );
  const all = tail === undefined ? before : [...before, ...zeros, ...after];
  return all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
}
