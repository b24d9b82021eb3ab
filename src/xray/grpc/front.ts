import { X509Certificate } from 'node:crypto';
import { foreignText } from '../../kernel/foreign-text.ts';
import type { InboundFront } from '../port.ts';
import { decoded } from './call.ts';
import { wire } from './wire.js';

// The settings of an inbound that a client needs, as the node returns them. Keys are not read.

const receiverType = 'xray.app.proxyman.ReceiverConfig';
const securities: Readonly<Record<string, InboundFront['security']>> = {
  '': 'none',
  'xray.transport.internet.tls.Config': 'tls',
  'xray.transport.internet.reality.Config': 'reality',
};
/** A node has a handful of names; a hostile one could return thousands. */
const shownMax = 100;

/** undefined: the node does not return it, or its kind is unknown. */
export function frontOf(
  api: string,
  settings: wire.TypedMessage.$Shape | null | undefined,
): InboundFront | undefined {
  if (settings?.type !== receiverType) return undefined;
  const bytes = settings.value ?? new Uint8Array();
  const stream = decoded(api, wire.ReceiverConfig, bytes).streamSettings;
  const security = securities[stream?.securityType ?? ''];
  if (stream == null || security === undefined) return undefined;
  const network = foreignText(stream.protocolName ?? '');
  if (security === 'none') return { network, security, serverNames: [], shortIds: [] };
  const value = stream.securitySettings?.[0]?.value ?? new Uint8Array();
  if (security === 'tls') {
    const { certificates } = decoded(api, wire.TlsServer, value);
    return { network, security, serverNames: namesOf(certificates ?? []), shortIds: [] };
  }
  const { serverNames, shortIds } = decoded(api, wire.RealityServer, value);
  return {
    network,
    security,
    serverNames: (serverNames ?? []).slice(0, shownMax).map((name) => foreignText(name)),
    shortIds: (shortIds ?? []).slice(0, shownMax).map((id) => Buffer.from(id).toString('hex')),
  };
}

/** The names of the certificates that an inbound serves; without one that cannot be read. */
function namesOf(certificates: readonly wire.TlsCertificate.$Shape[]): string[] {
  return certificates
    .slice(0, shownMax)
    .filter(({ usage }) => (usage ?? 0) === serves)
    .flatMap(({ certificate }) => alternativeNames(certificate ?? new Uint8Array()))
    .slice(0, shownMax);
}

/** `ENCIPHERMENT`: other certificates verify or issue. */
const serves = 0;

function alternativeNames(certificate: Uint8Array): string[] {
  try {
    const { subjectAltName = '' } = new X509Certificate(certificate);
    return [...subjectAltName.matchAll(/(?:DNS|IP Address):([^\s,"]+)/g)].map(([, name = '']) =>
      foreignText(name.toLowerCase()),
    );
  } catch {
    return [];
  }
}
