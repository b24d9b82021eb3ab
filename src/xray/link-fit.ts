import { unreachable } from '../kernel/faults.ts';
import { type LinkSettings, toAsciiHost } from './link-settings.ts';
import type { Inbound, InboundStream } from './port.ts';

// Whether customers get in by a node's link: the link against the inbounds that the node returns.
//
// 1. The protocol is that of an inbound.
// 2. REALITY is on both sides or on none. TLS can be on one side: a proxy before the node may
//    end it.
// 3. With REALITY, the inbound has the name and the short id.
// 4. With TLS on both sides, a certificate of the inbound has the name that the client verifies.
// 5. A flow needs TLS or REALITY on the inbound, or VLESS's own encryption.
// 6. One inbound that fits is enough. An inbound with unknown settings fits.

type ManagedInbound = Extract<Inbound, { manages: true }>;

/** Each value that does not fit; none: the link fits. @param inbounds those with our users */
export function checkLinkFit(link: LinkSettings, inbounds: readonly Inbound[]): readonly string[] {
  const managed = inbounds.filter((inbound): inbound is ManagedInbound => inbound.manages);
  if (managed.length === 0) return [];
  const sameProtocol = managed.filter(({ protocol }) => protocol === link.protocol);
  if (sameProtocol.length === 0) {
    const protocols = [...new Set(managed.map(({ protocol }) => protocol))].join(', ');
    return [
      `link.protocol: "${link.protocol}" is not the protocol of an inbound; expected ${protocols}`,
    ];
  }
  const each = sameProtocol.map((inbound) => checkInbound(link, inbound));
  return each.reduce((fewest, other) => (other.length < fewest.length ? other : fewest));
}

function checkInbound(link: LinkSettings, { tag, stream }: ManagedInbound): readonly string[] {
  if (stream === undefined) return [];
  return [...checkSecurity(link, tag, stream), ...checkFlow(link, tag, stream)];
}

function checkSecurity(link: LinkSettings, tag: string, front: InboundStream): string[] {
  const { security, sni = '', sid } = link;
  switch (front.security) {
    case 'none':
    case 'tls':
      if (security === 'tls') return checkCertificate(link, tag, front);
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
        const expected = front.shortIds.map(formatShortId).join(', ');
        misfits.push(
          `link.sid: "${sid}" is not a short id of the inbound "${tag}"; expected ${expected}`,
        );
      }
      return misfits;
    }
    default:
      return unreachable(front.security);
  }
}

/** A client that pins a certificate (`pcs`) verifies no name. */
function checkCertificate(link: LinkSettings, tag: string, front: InboundStream): string[] {
  const names = front.serverNames;
  if (names.length === 0 || link.pcs !== undefined) return [];
  const key = link.vcn !== undefined ? 'vcn' : link.sni !== undefined ? 'sni' : 'host';
  const verified = link[key] as string;
  if (
    verified
      .split(',')
      .some((name) => names.some((certificateName) => coversName(certificateName, name)))
  )
    return [];
  return [
    `link.${key}: "${verified}" is not a name of the certificate of the inbound "${tag}"; expected ${names.join(', ')}`,
  ];
}

/** A wildcard stands for one label. */
function coversName(certificateName: string, name: string): boolean {
  const ascii = toAsciiHost(name.trim())?.toLowerCase().replace(/\.$/, '');
  return (
    ascii === certificateName ||
    (certificateName.startsWith('*.') && ascii?.replace(/^[^.]+/, '*') === certificateName)
  );
}

/** Nodes pad short ids with zeros; how many zeros a person wrote is unknown. */
const formatShortId = (id: string): string => JSON.stringify(id.replace(/(?:00)+$/, ''));

function checkFlow(link: LinkSettings, tag: string, front: InboundStream): string[] {
  if (link.flow === '' || link.encryption !== 'none') return [];
  if (front.network === 'tcp' && front.security !== 'none') return [];
  return [
    `link.flow: "${link.flow}" needs raw with tls or reality; the inbound "${tag}" has ${front.network} with ${front.security}`,
  ];
}
