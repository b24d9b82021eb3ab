import { X509Certificate } from 'node:crypto';
import { foreignText } from '../../kernel/foreign-text.ts';
import type { InboundStream } from '../port.ts';
import { decodeMessage } from './call.ts';
import { wire } from './wire.js';

// The settings of an inbound that a client needs, as the node returns them. Keys are not read.

const receiverType = 'xray.app.proxyman.ReceiverConfig';
const securities: Readonly<Record<string, InboundStream['security']>> = {
  '': 'none',
  'xray.transport.internet.tls.Config': 'tls',
  'xray.transport.internet.reality.Config': 'reality',
};
/** A node has a handful of names; a hostile one could return thousands. */
const namesMax = 100;

/** undefined: the node does not return it, or its kind is unknown. */
export function parseInboundStream(
  api: string,
  settings: wire.TypedMessage.$Shape | null | undefined,
): InboundStream | undefined {
  if (settings?.type !== receiverType) return undefined;
  const bytes = settings.value ?? new Uint8Array();
  const stream = decodeMessage(api, wire.ReceiverConfig, bytes).streamSettings;
  const security = securities[stream?.securityType ?? ''];
  if (stream == null || security === undefined) return undefined;
  const network = foreignText(stream.protocolName ?? '');
  if (security === 'none') return { network, security, serverNames: [], shortIds: [] };
  const value = stream.securitySettings?.[0]?.value ?? new Uint8Array();
  if (security === 'tls') {
    const { certificates } = decodeMessage(api, wire.TlsServer, value);
    return {
      network,
      security,
      serverNames: parseCertificateNames(certificates ?? []),
      shortIds: [],
    };
  }
  const { serverNames, shortIds } = decodeMessage(api, wire.RealityServer, value);
  return {
    network,
    security,
    serverNames: (serverNames ?? []).slice(0, namesMax).map((name) => foreignText(name)),
    shortIds: (shortIds ?? []).slice(0, namesMax).map((id) => Buffer.from(id).toString('hex')),
  };
}

/** The names of the certificates that an inbound serves; without one that cannot be read. */
function parseCertificateNames(certificates: readonly wire.TlsCertificate.$Shape[]): string[] {
  return certificates
    .slice(0, namesMax)
    .filter(({ usage }) => (usage ?? 0) === enciphermentUsage)
    .flatMap(({ certificate }) => parseAlternativeNames(certificate ?? new Uint8Array()))
    .slice(0, namesMax);
}

/** `ENCIPHERMENT`: other certificates verify or issue. */
const enciphermentUsage = 0;

function parseAlternativeNames(certificate: Uint8Array): string[] {
  try {
    const { subjectAltName = '' } = new X509Certificate(certificate);
    return [...subjectAltName.matchAll(/(?:DNS|IP Address):([^\s,"]+)/g)].map(([, name = '']) =>
      foreignText(name.toLowerCase()),
    );
  } catch {
    return [];
  }
}
