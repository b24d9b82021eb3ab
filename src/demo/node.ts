import { sql } from 'kysely';
import { isEntitled } from '../access/entitlement.ts';
import type { NodeConfig } from '../config/config.ts';
import type { Db } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { type KeepersOptions, startKeepers } from '../workers/keep-node/keepers.ts';
import { type EmbeddedNode, startEmbeddedNode } from '../xray/embedded/node.ts';
import { connectNode } from '../xray/grpc/client.ts';

// The node of a demo: Xray's API in this process, kept by the same keepers as a real node. It works
// in real time; the database is in virtual time.

const id = 'demo-1';
const tag = 'vless';

/** The users of the node, compared with the database. */
export interface NodeState {
  readonly id: string;
  /** Users of the node. */
  readonly users: number;
  /** Entitled credentials in the database. */
  readonly wanted: number;
  /** Active subscriptions, read at the same moment as `wanted`. */
  readonly active: number;
  /** True if both sets are equal. */
  readonly equal: boolean;
  /** Pending changes. */
  readonly marks: number;
  /** Credentials retired since the start of the demo, and how many removals are confirmed. */
  readonly retired: number;
  readonly confirmed: number;
}

export interface DemoNode {
  /** The node for the catalog. */
  readonly config: NodeConfig;
  /** Keeps the node equal to this database until `stop`. */
  startKeeper(database: Pick<KeepersOptions, 'url' | 'db' | 'log'>, startedAt: Instant): void;
  readState(): Promise<NodeState>;
  /** True if no change is pending. */
  isSynced(): Promise<boolean>;
  stop(): Promise<void>;
}

export async function startDemoNode(): Promise<DemoNode> {
  const node = await startEmbeddedNode({ inbounds: [{ tag, protocol: 'vless' }] });
  let keeper: { readonly db: Db; readonly startedAt: Instant; stop(): Promise<void> } | undefined;
  const requireKeeper = () => {
    if (keeper === undefined) throw new Error('the node has no keeper yet');
    return keeper;
  };
  const link = { host: 'demo-1.example', port: 443 };
  return {
    config: { id, api: node.api, tls: false, groups: ['all'], inbounds: [tag], link },
    startKeeper({ url, db, log }, startedAt) {
      const keepers = startKeepers({ url, db, connect: connectNode, log });
      keeper = { db, startedAt, stop: () => keepers.stop() };
    },
    readState: () => readNodeState(requireKeeper().db, node, requireKeeper().startedAt),
    async isSynced() {
      const { rows } = await sql<{ quiet: boolean }>`
        SELECT NOT EXISTS (SELECT FROM perennial.access_sync) AS quiet`.execute(requireKeeper().db);
      return rows[0]?.quiet === true;
    },
    async stop() {
      await keeper?.stop();
      node.stop();
    },
  };
}

interface Row extends Omit<NodeState, 'id' | 'users' | 'equal' | 'wanted' | 'confirmed'> {
  readonly names: readonly string[];
  readonly owed: number;
}

async function readNodeState(db: Db, node: EmbeddedNode, startedAt: Instant): Promise<NodeState> {
  const { rows } = await sql<Row>`
    SELECT
      array(SELECT i.name || '-' || c.id FROM perennial.credential c
        JOIN perennial.subscription s ON s.id = c.subscription_id
        JOIN perennial.plan p ON p.key = s.plan
        JOIN perennial.node n ON n.id = ${id}
        CROSS JOIN perennial.installation i
        WHERE ${isEntitled()}) AS names,
      (SELECT count(*)::int FROM perennial.subscription WHERE state = 'active') AS active,
      (SELECT count(*)::int FROM perennial.access_sync WHERE node_id = ${id}) AS marks,
      (SELECT count(*)::int FROM perennial.credential
        WHERE retired_at >= ${isoTime(startedAt)}) AS retired,
      (SELECT count(*)::int FROM perennial.access_sync m
        JOIN perennial.credential c ON c.id = m.credential_id
        WHERE m.node_id = ${id} AND c.retired_at >= ${isoTime(startedAt)}) AS owed`.execute(db);
  const { names, active, marks, retired, owed } = rows[0] as Row;
  const users = new Set(node.listUserNames(tag));
  return {
    ...{ id, active, marks, retired, users: users.size, wanted: names.length },
    confirmed: retired - owed,
    equal: users.size === names.length && names.every((name) => users.has(name)),
  };
}
