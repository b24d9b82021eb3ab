import { sql } from 'kysely';
import {
  type Keepers,
  type KeepersOptions,
  startKeepers,
} from '../../src/workers/keep-node/keepers.ts';
import type {
  CallBehavior,
  EmbeddedNode,
  EmbeddedNodeOptions,
} from '../../src/xray/embedded/node.ts';
import { startEmbeddedNode } from '../../src/xray/embedded/node.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { until } from '../../testbed/until.ts';
import type { DatabaseOptions, TestDatabase } from './database.ts';
import { silentLog } from './log.ts';
import { createShopDatabase } from './shop.ts';

// A shop with kept nodes: embedded ones, or any server at an address.

export interface TestNode extends EmbeddedNode, Disposable {
  /** The outcome of calls from now on. */
  conduct: NonNullable<EmbeddedNodeOptions['chooseBehavior']>;
}

export async function startNode(
  inbounds: EmbeddedNodeOptions['inbounds'] = [{ tag: 'vless', protocol: 'vless' }],
): Promise<TestNode> {
  const serveAll = (): CallBehavior => 'serve';
  const behaviour: { conduct: TestNode['conduct'] } = { conduct: serveAll };
  const node = await startEmbeddedNode({
    inbounds,
    chooseBehavior: (call) => behaviour.conduct(call),
  });
  return Object.assign(behaviour, node, { [Symbol.dispose]: () => node.stop() });
}

/** A database with these nodes by id, and the tags of their inbounds. */
export async function createShopWithNodes(
  nodes: Readonly<Record<string, { readonly api: string; readonly inbounds?: readonly string[] }>>,
  options: DatabaseOptions = {},
): Promise<TestDatabase> {
  const database = await createShopDatabase(options);
  await database.query`DELETE FROM perennial.node`;
  for (const [id, { api, inbounds = ['vless'] }] of Object.entries(nodes)) {
    await database.query`
      INSERT INTO perennial.node (id, api, inbounds, groups, link)
      VALUES (${id}, ${api}, ${inbounds}, '{all}', '{"host": "nl1.example", "port": 443}')`;
  }
  return database;
}

export interface RunningKeepers extends Keepers, AsyncDisposable {}

export function startTestKeepers(
  database: TestDatabase,
  options: Partial<KeepersOptions> = {},
): RunningKeepers {
  const { db, url } = database;
  const intervals = { probeMs: 200, pollMs: 200 };
  const keepers = startKeepers({
    db,
    url,
    connect: connectNode,
    log: silentLog,
    ...intervals,
    ...options,
  });
  return { ...keepers, [Symbol.asyncDispose]: () => keepers.stop() };
}

export const countMarks = async (
  { db }: Pick<TestDatabase, 'db'>,
  node?: string,
): Promise<number> => {
  const { rows } = await sql<{ count: bigint }>`
    SELECT count(*) FROM perennial.access_sync
    WHERE node_id = ${node ?? null} OR ${node ?? null}::text IS NULL`.execute(db);
  return Number(rows[0]?.count);
};

/** Waits until a node is seen and seeded, and has no pending marks. */
export async function untilSynced(
  database: TestDatabase,
  node?: string,
  deadlineMs = 20_000,
): Promise<void> {
  await until(
    `no marks left${node === undefined ? '' : ` on ${node}`}`,
    async () => {
      const rows = await database.query`
        SELECT FROM perennial.node n
        WHERE (n.id = ${node ?? null} OR ${node ?? null}::text IS NULL)
          AND (n.seeded_boot_at IS DISTINCT FROM n.boot_at OR n.boot_at IS NULL
            OR EXISTS (SELECT FROM perennial.access_sync WHERE node_id = n.id))`;
      return rows.length === 0;
    },
    deadlineMs,
  );
}

export async function readNode({ db }: Pick<TestDatabase, 'db'>, id: string) {
  return db.selectFrom('perennial.node').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

/** The user names of all entitled credentials in the database. */
export async function readEntitledNames({ db }: Pick<TestDatabase, 'db'>): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT 'perennial-' || c.id AS name FROM perennial.credential c
    JOIN perennial.subscription s ON s.id = c.subscription_id
    WHERE c.retired_at IS NULL AND s.state = 'active'`.execute(db);
  return rows.map(({ name }) => name).sort();
}

/** Waits until a node, embedded or real, has exactly the entitled users. */
export async function expectSynced(
  database: Pick<TestDatabase, 'db'>,
  node: { listUserNames(tag: string): readonly string[] | Promise<readonly string[]> },
  deadlineMs?: number,
  tag = 'vless',
): Promise<void> {
  await until(
    'the node equals the database',
    async () => {
      const names = await readEntitledNames(database);
      return JSON.stringify([...(await node.listUserNames(tag))].sort()) === JSON.stringify(names);
    },
    deadlineMs,
  );
}
