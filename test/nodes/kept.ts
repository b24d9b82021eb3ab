import { sql } from 'kysely';
import {
  type Keepers,
  type KeepersOptions,
  startKeepers,
} from '../../src/workers/keep-node/keepers.ts';
import type { Conduct, EmbeddedNode, EmbeddedNodeOptions } from '../../src/xray/embedded/node.ts';
import { startEmbeddedNode } from '../../src/xray/embedded/node.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { type Books, type BooksOptions, freshBooks } from '../books.ts';
import { until } from '../service/until.ts';
import { openShop } from '../shop.ts';

// A shop with nodes that are kept: embedded ones, or whatever listens at an address.

export const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export interface ANode extends EmbeddedNode, Disposable {
  /** What becomes of the calls from now on. */
  conduct: NonNullable<EmbeddedNodeOptions['conduct']>;
}

export async function aNode(
  inbounds: EmbeddedNodeOptions['inbounds'] = [{ tag: 'vless', protocol: 'vless' }],
): Promise<ANode> {
  const serve = (): Conduct => 'serve';
  const behaviour: { conduct: ANode['conduct'] } = { conduct: serve };
  const node = await startEmbeddedNode({ inbounds, conduct: (call) => behaviour.conduct(call) });
  return Object.assign(behaviour, node, { [Symbol.dispose]: () => node.stop() });
}

/** Books whose nodes are these, by id, with the keys of their inbounds. */
export async function shopOn(
  nodes: Readonly<Record<string, { readonly api: string; readonly inbounds?: readonly string[] }>>,
  options: BooksOptions = {},
): Promise<Books> {
  const books = await freshBooks(options);
  await openShop(books);
  await sql`DELETE FROM perennial.node`.execute(books.db);
  for (const [id, { api, inbounds = ['vless'] }] of Object.entries(nodes)) {
    await sql`
      INSERT INTO perennial.node (id, api, inbounds, groups, link)
      VALUES (${id}, ${api}, ${inbounds}, '{all}', '{"host": "nl1.example", "port": 443}')`.execute(
      books.db,
    );
  }
  return books;
}

export interface Kept extends Keepers, AsyncDisposable {}

export function keep(books: Books, options: Partial<KeepersOptions> = {}): Kept {
  const { db, url } = books;
  const paces = { probeMs: 200, pollMs: 200 };
  const keepers = startKeepers({ db, url, connect: connectNode, log: quiet, ...paces, ...options });
  return { ...keepers, [Symbol.asyncDispose]: () => keepers.stop() };
}

export const marksOf = async ({ db }: Pick<Books, 'db'>, node?: string): Promise<number> => {
  const { rows } = await sql<{ count: bigint }>`
    SELECT count(*) FROM perennial.access_sync
    WHERE node_id = ${node ?? null} OR ${node ?? null}::text IS NULL`.execute(db);
  return Number(rows[0]?.count);
};

/** Waits until a node is seen, filled, and has nothing left to be told. */
export async function settled(books: Books, node?: string, deadlineMs = 20_000): Promise<void> {
  await until(
    `no marks left${node === undefined ? '' : ` on ${node}`}`,
    async () => {
      const { rows } = await sql`
        SELECT FROM perennial.node n
        WHERE (n.id = ${node ?? null} OR ${node ?? null}::text IS NULL)
          AND (n.seeded_boot_at IS DISTINCT FROM n.boot_at OR n.boot_at IS NULL
            OR EXISTS (SELECT FROM perennial.access_sync WHERE node_id = n.id))`.execute(books.db);
      return rows.length === 0 ? true : undefined;
    },
    deadlineMs,
  );
}

export async function nodeRow({ db }: Pick<Books, 'db'>, id: string) {
  return db.selectFrom('perennial.node').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

/** The names of those who may connect, as the books have it. */
export async function namesInBooks({ db }: Pick<Books, 'db'>): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT 'perennial-' || c.id AS name FROM perennial.credential c
    JOIN perennial.subscription s ON s.id = c.subscription_id
    WHERE c.retired_at IS NULL AND s.state = 'active'`.execute(db);
  return rows.map(({ name }) => name).sort();
}

/** Waits until a node has exactly those who may connect. */
export async function equal(books: Books, node: ANode, tag = 'vless', deadlineMs?: number) {
  await until(
    'the node equals the books',
    async () => {
      const names = await namesInBooks(books);
      return JSON.stringify([...node.names(tag)].sort()) === JSON.stringify(names)
        ? true
        : undefined;
    },
    deadlineMs,
  );
}
