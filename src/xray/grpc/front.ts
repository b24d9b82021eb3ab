import { foreignText } from '../../kernel/foreign-text.ts';
import type { InboundFront } from '../port.ts';
import { decoded } from './call.ts';
import { wire } from './wire.js';

// What a client meets at an inbound, of what the node returns. Keys are not read.

const receiverType = 'xray.app.proxyman.ReceiverConfig';
const securities: Readonly<Record<string, InboundFront['security']>> = {
  '': 'none',
  'xray.transport.internet.tls.Config': 'tls',
  'xray.transport.internet.reality.Config': 'reality',
};
/** A node has a handful of names; a hostile one could return thousands. */
const shownMax = 100;

/** undefined: the node does not return it, or it is of a kind that this program does not know. */
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
  if (security !== 'reality') return { network, security, serverNames: [], shortIds: [] };
  const value = stream.securitySettings?.[0]?.value ?? new Uint8Array();
  const { serverNames, shortIds } = decoded(api, wire.RealityServer, value);
  return {
    network,
    security,
    serverNames: (serverNames ?? []).slice(0, shownMax).map((name) => foreignText(name)),
    shortIds: (shortIds ?? []).slice(0, shownMax).map((id) => Buffer.from(id).toString('hex')),
  };
}
