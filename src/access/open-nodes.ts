import { sql } from 'kysely';
import type { CredentialId } from '../kernel/ids.ts';
import { opensNode } from './entitlement.ts';

/** A node that the plan of a running subscription opens. */
export interface OpenNode {
  readonly subscriptionId: bigint;
  readonly credential: CredentialId;
  readonly node: string;
  /** The stored link settings of the node. */
  readonly settings: { readonly name?: unknown } | null;
  /** The customer has another running subscription. */
  readonly isOneOfSeveral: boolean;
}

/** The open nodes of a subscription `s` as JSON, in the order of their ids. */
export const selectOpenNodes = sql`
  (SELECT json_agg(json_build_object('node', n.id, 'settings', n.link) ORDER BY n.id)
   FROM perennial.plan p CROSS JOIN perennial.node n
   WHERE p.key = s.plan AND ${opensNode()})`;
