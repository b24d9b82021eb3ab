import { unreachable } from '../kernel/faults.ts';
import { asciiHost, type LinkSettings } from './link-settings.ts';
import type { Inbound, InboundFront } from './port.ts';

// Whether customers get in by a node's link: the link against the inbounds that the node returns.
//
// 1. The protocol is that of an inbound.
// 2. REALITY is on both sides or on none. TLS can be on one side: a proxy before the node may end it.
// 3. With REALITY, the inbound has the name and the short id.
// 4. With TLS on both sides, a certificate of the inbound has the name that the client verifies.
// 5. A flow needs TLS or REALITY on the inbound, or VLESS's own encryption.
// 6. One inbound that fits is enough. An inbound with unknown settings fits.

type Managed = Extract<Inbound, { manages: true }>;

/** Each value that does not fit; none: the link fits. @param inbounds those with our users */
export function linkMisfits(link: LinkSettings, inbounds: readonly Inbound[]): readonly string[] {
  const managed = inbounds.filter((inbound): inbound is Managed => inbound.manages);
  if (managed.length === 0) return [];
  const same = managed.filter(({ protocol }) => protocol === link.protocol);
  if (same.length === 0) {
    const found = [...new Set(managed.map(({ protocol }) => protocol))].join(', ');
    return [
      `link.protocol: "${link.protocol}" is not the protocol of an inbound; expected ${found}`,
    ];
  }
  const each = same.map((inbound) => misfitsOf(link, inbound));
  return each.reduce((least, other) => (other.length < least.length ? other : least));
}

function misfitsOf(link: LinkSettings, { tag, front }: Managed): readonly string[] {
  if (front === undefined) return [];
  return [...securityMisfits(link, tag, front), ...flowMisfits(link, tag, front)];
}

function securityMisfits(link: LinkSettings, tag: string, front: InboundFront): string[] {
  const { security, sni = '', sid } = link;
  switch (front.security) {
    case 'none':
    case 'tls':
      if (security === 'tls') return certificateMisfits(link, tag, front);
      if (security === 'none') return [];
      return [
        `link.security: "reality" is not the security of the inbound "${tag}"; expected ${front.security}`,
      ];
    case 'reality': {
      if (security !== 'reality') {
        return [
          `link.security: "${security}" is not the security of the inbound "${tag}"; expected reality`,
        ];
      }
      const misfits: string[] = [];
      const names = front.serverNames.map((name) => name.toLowerCase());
      if (!names.includes(sni.toLowerCase())) {
        misfits.push(
          `link.sni: "${sni}" is not a name of the inbound "${tag}"; expected ${names.join(', ')}`,
        );
      }
      if (!front.shortIds.includes(sid.toLowerCase().padEnd(16, '0'))) {
        const known = front.shortIds.map(shortText).join(', ');
        misfits.push(
          `link.sid: "${sid}" is not a short id of the inbound "${tag}"; expected ${known}`,
        );
      }
      return misfits;
    }
    default:
      return unreachable(front.security);
  }
}

/** A client that pins a certificate (`pcs`) verifies no name. */
function certificateMisfits(link: LinkSettings, tag: string, front: InboundFront): string[] {
  const names = front.serverNames;
  if (names.length === 0 || link.pcs !== undefined) return [];
  const place = link.vcn !== undefined ? 'vcn' : link.sni !== undefined ? 'sni' : 'host';
  const verified = link[place] as string;
  if (verified.split(',').some((name) => names.some((known) => covers(known, name)))) return [];
  return [
    `link.${place}: "${verified}" is not a name of the certificate of the inbound "${tag}"; expected ${names.join(', ')}`,
  ];
}

/** A wildcard stands for one label. */
function covers(known: string, name: string): boolean {
  const ascii = asciiHost(name.trim())?.toLowerCase().replace(/\.$/, '');
  return ascii === known || (known.startsWith('*.') && ascii?.replace(/^[^.]+/, '*') === known);
}

/** Nodes pad short ids with zeros; how many zeros a person wrote is unknown. */
const shortText = (id: string): string => JSON.stringify(id.replace(/(?:00)+$/, ''));

function flowMisfits(link: LinkSettings, tag: string, front: InboundFront): string[] {
  if (link.flow === '' || link.encryption !== 'none') return [];
  if (front.network === 'tcp' && front.security !== 'none') return [];
  return [
    `link.flow: "${link.flow}" needs raw with tls or reality; the inbound "${tag}" has ${front.network} with ${front.security}`,
  ];
}
