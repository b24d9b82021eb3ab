import { sql } from 'kysely';
import { isEntitled } from '../access/entitlement.ts';
import type { NodeConfig } from '../config/config.ts';
import type { Db } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { type KeepersOptions, startKeepers } from '../workers/keep-node/keepers.ts';
import { type EmbeddedNode, startEmbeddedNode } from '../xray/embedded/node.ts';
import { connectNode } from '../xray/grpc/client.ts';

// The node of a demo: Xray's API in this process, kept by the same keepers as a real one. It lives in
// real time, the books in virtual time.

const id = 'demo-1';
const tag = 'vless';

/** Who can connect, as the node has it and as the books have it. */
export interface NodeState {
  readonly id: string;
  /** Users that the node lets in. */
  readonly users: number;
  /** Who may connect, by the books. */
  readonly wanted: number;
  /** Subscriptions that are active, read in the same moment as `wanted`. */
  readonly active: number;
  /** The very same ones. */
  readonly equal: boolean;
  /** What it still has to be told. */
  readonly marks: number;
  /** Credentials retired since the demo began, and how many of them the node confirmed to be gone. */
  readonly retired: number;
  readonly confirmed: number;
}

export interface DemoNode {
  /** For the books' catalog. */
  readonly config: NodeConfig;
  /** Keeps it equal to these books, until `stop`. */
  startKeeper(database: Pick<KeepersOptions, 'url' | 'db' | 'log'>, startedAt: Instant): void;
  readState(): Promise<NodeState>;
  /** Whether it has been told everything. */
  isSynced(): Promise<boolean>;
  stop(): Promise<void>;
}

export async function startDemoNode(): Promise<DemoNode> {
  const node = await startEmbeddedNode({ inbounds: [{ tag, protocol: 'vless' }] });
  let keeper: { readonly db: Db; readonly startedAt: Instant; stop(): Promise<void> } | undefined;
  const requireKeeper = () => {
    if (keeper === undefined) throw new Error('the node is not kept yet');
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
