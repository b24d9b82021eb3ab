import type { Db } from '../../db/connect.ts';
import { Fault } from '../../kernel/faults.ts';
import type { Lease } from '../../leases/lease.ts';
import { toNodeFlow } from '../../xray/flow.ts';
import { checkLinkFit } from '../../xray/link-fit.ts';
import { formatLinkFault, tryParseLink } from '../../xray/link-settings.ts';
import type { NodeApi } from '../../xray/port.ts';
import type { KeeperConnection } from './connection.ts';
import { leaseLost, type NodeFacts, readNode, writeLinkError } from './node-store.ts';
import { toResult } from './result.ts';

// The check of a node before the first add to each of its boots: can users be added to it?
//
// Removals skip this check. They run on every inbound that exists. A missing inbound has no users.

export interface CapabilityContext {
  readonly db: Db;
  readonly lease: Lease;
  readonly api: NodeApi;
  readonly connection: KeeperConnection;
  readonly signal: AbortSignal;
  /** Called if customers cannot connect by the link. Access is kept all the same. */
  warn(sentence: string): void;
}

/**
 * Reads the inbounds of the node and the link of the database.
 * @returns their key if users can be added; else the fault that prevents it, or hides it
 * @throws Fault lease_lost
 */
export async function readCapabilities(context: CapabilityContext): Promise<string | Fault> {
  const { db, lease, api, connection, signal } = context;
  const facts = await readNode(db, lease);
  if (facts === undefined) throw leaseLost(lease);
  const startedMs = connection.nowMs();
  const found = await toResult(() => api.readInbounds({ signal }));
  if ('fault' in found) return found.fault;
  connection.recordRoundTrip(connection.nowMs() - startedMs);
  const link = tryParseLink(facts.link);
  const ours = found.value.filter(({ tag }) => facts.inbounds.includes(tag));
  const misfits = 'faults' in link ? link.faults.map(formatLinkFault) : checkLinkFit(link, ours);
  const linkError = misfits.join('; ') || null;
  if (linkError !== null) context.warn(linkError);
  if (linkError !== facts.linkError) await writeLinkError(db, lease, linkError);
  const fault = toInboundFault(facts.api, facts.inbounds, found.value) ?? toFlowFault(facts.flow);
  return fault ?? toCapabilitiesKey(facts);
}

/** The checked values of the database. After a change of them the node is checked again. */
export const toCapabilitiesKey = ({
  link,
  inbounds,
}: Pick<NodeFacts, 'link' | 'inbounds'>): string => JSON.stringify([link, inbounds]);

type NodeInbounds = Awaited<ReturnType<NodeApi['readInbounds']>>;

/** An inbound of the database that the node lacks, or whose users cannot be managed. */
function toInboundFault(
  api: string,
  tags: readonly string[],
  found: NodeInbounds,
): Fault | undefined {
  for (const tag of tags) {
    const inbound = found.find((each) => each.tag === tag);
    if (inbound === undefined) {
      const available = found.map((each) => each.tag).join(', ');
      const sentence = `${api}: no inbound "${tag}" on this node; available: ${available || 'none'}`;
      return new Fault('permanent', 'unknown_inbound', sentence);
    }
    if (!inbound.manages) {
      const sentence = `${api}: the inbound "${tag}" is a ${inbound.type}; expected VLESS, VMess or Trojan`;
      return new Fault('permanent', 'no_user_manager', sentence);
    }
  }
  return undefined;
}

/** The flow of the customers' link, if no node supports it. */
export function toFlowFault(link: string | null): Fault | undefined {
  if (toNodeFlow(link) !== undefined) return undefined;
  const sentence = `link.flow: "${link}" is not a flow of a node; expected xtls-rprx-vision, or none`;
  return new Fault('permanent', 'bad_flow', sentence);
}
