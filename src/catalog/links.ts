import { sql } from 'kysely';
import { isEntitled } from '../access/entitlement.ts';
import type { OpenNode } from '../access/open-nodes.ts';
import type { Db, Tx } from '../db/connect.ts';
import { toFault } from '../db/faults.ts';
import { formatShareLink } from '../xray/link.ts';
import { parseLink } from '../xray/link-settings.ts';

/** The share link of one node for a client program. */
export interface NodeLink {
  readonly subscription_id: number;
  readonly node: string;
  /** Null if the link settings of the node are wrong; `error` has the reason. */
  readonly link: string | null;
  readonly error: string | null;
}

/** More entries are useless in a client, and a customer may have 10,000 subscriptions. */
const subscriptionsMax = 100;

/**
 * Links of the running subscriptions of a customer, on every node that their plans open. At most
 * the latest 100 subscriptions count. @param subscriptionId only this subscription
 */
export async function readCustomerLinks(
  db: Db | Tx,
  telegramId: bigint,
  subscriptionId?: bigint,
): Promise<NodeLink[]> {
  const { rows } = await sql<OpenNode>`
    SELECT s.id AS "subscriptionId", k.id AS credential, n.id AS node, n.link AS settings,
      EXISTS (SELECT FROM perennial.subscription other
        WHERE other.customer_id = c.id AND other.state = 'active' AND other.id <> s.id)
        AS "isOneOfSeveral"
    FROM perennial.customer c
    JOIN LATERAL (
      SELECT one.id, one.plan, one.state FROM perennial.subscription one
      WHERE one.customer_id = c.id AND one.state = 'active'
        AND ${subscriptionId === undefined ? sql`true` : sql`one.id = ${subscriptionId}`}
      ORDER BY one.id DESC LIMIT ${subscriptionsMax}) s ON true
    JOIN perennial.credential k ON k.subscription_id = s.id
    JOIN perennial.plan p ON p.key = s.plan
    CROSS JOIN perennial.node n
    WHERE c.telegram_id = ${telegramId} AND ${isEntitled({ credential: 'k' })}
    ORDER BY s.id, n.id`.execute(db);
  return toNodeLinks(rows);
}

/** The links of these nodes, in their order. */
export function toNodeLinks(nodes: readonly OpenNode[]): NodeLink[] {
  const toKey = (node: OpenNode) => `${node.subscriptionId} ${toBaseName(node)}`;
  const counts = new Map<string, number>();
  for (const node of nodes) counts.set(toKey(node), (counts.get(toKey(node)) ?? 0) + 1);
  return nodes.map((node) => toNodeLink(node, formatName(node, counts.get(toKey(node)) !== 1)));
}

function toBaseName({ node, settings }: OpenNode): string {
  const name = settings?.name;
  return typeof name === 'string' && name !== '' ? name : node;
}

/**
 * Clients tell entries apart by their names, and some drop or rename the second one of two equal
 * names. A customer with several subscriptions has the number of the subscription in the name.
 */
function formatName(open: OpenNode, sharesName: boolean): string {
  const baseName = toBaseName(open);
  const name = sharesName ? `${baseName} (${open.node})` : baseName;
  return open.isOneOfSeveral ? `${name} #${open.subscriptionId}` : name;
}

function toNodeLink(
  { subscriptionId, credential, node, settings }: OpenNode,
  name: string,
): NodeLink {
  const base = { subscription_id: Number(subscriptionId), node };
  try {
    return {
      ...base,
      link: formatShareLink(parseLink(node, settings), credential, name),
      error: null,
    };
  } catch (error) {
    return { ...base, link: null, error: toFault(error).message };
  }
}
