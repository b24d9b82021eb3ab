import { sql } from 'kysely';
import { inTransaction } from '../../src/db/connect.ts';
import { whole } from '../../src/demo/random.ts';
import { finishMarking } from '../../src/subscription/marking.ts';
import { apply } from './file.ts';
import { readQuarantine } from './view.ts';
import type { Watch } from './watch.ts';
import { keepersOf, passes, startNodeSoon, type World, type WorldNode } from './world.ts';

// A backup of the books as `pg_dump --schema=perennial` makes it, beside working keepers: all tables
// as of one moment, and how far the sequences are. And its restore, as docs/backup-and-restore.md
// has it.

/** Of the last few, any may be restored. */
const backupsMax = 2;

const schemaOf = (number: number) => `backup_${number % backupsMax}`;

async function tables({ books }: World): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT tablename AS name FROM pg_tables WHERE schemaname = 'perennial' ORDER BY 1`.execute(
    books.db,
  );
  return rows.map(({ name }) => name);
}

export async function backUpBooks(world: World): Promise<void> {
  const schema = sql.id(schemaOf(world.backups));
  const names = await tables(world);
  await world.books.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx) => {
      await sql`DROP SCHEMA IF EXISTS ${schema} CASCADE`.execute(tx);
      await sql`CREATE SCHEMA ${schema}`.execute(tx);
      for (const name of names) {
        const copy = sql`${schema}.${sql.id(name)}`;
        await sql`CREATE TABLE ${copy} AS TABLE perennial.${sql.id(name)}`.execute(tx);
      }
      await sql`
        CREATE TABLE ${schema}."sequence of books" AS
        SELECT format('%I.%I', schemaname, sequencename) AS name, last_value
        FROM pg_sequences WHERE schemaname = 'perennial'`.execute(tx);
    });
  world.backups += 1;
}

/**
 * All processes end; the books become what they were, and all that they have written since has never
 * been; the operator's file is applied; processes start.
 */
export async function restoreBooks(world: World, watch: Watch): Promise<void> {
  if (world.backups === 0) return;
  const { books, keepers, random } = world;
  await Promise.all(keepers.map((each) => each.stop()));
  await putBack(world, schemaOf(whole(random, Math.min(world.backups, backupsMax))));
  await passes(world, 0);
  const { rows } = await sql<{ telegramId: bigint }>`
    SELECT telegram_id AS "telegramId" FROM perennial.customer ORDER BY telegram_id`.execute(
    books.db,
  );
  world.customers.splice(0, Infinity, ...rows.map(({ telegramId }) => telegramId));
  world.lately = undefined;
  // Who killed a node then is in quarantine again.
  for (const item of await readQuarantine(books.db)) world.planted.add(item);
  await apply(books.db, world.file);
  await finishMarking(books.db);
  for (const { life } of world.nodes) life.unsure = true;
  // Nobody has told the nodes anything yet: whom the books don't know is seen now.
  watch.restored();
  await watch.look('the restore');
  const forgotten = await forgottenInbounds(world, watch);
  keepers.splice(0, Infinity, keepersOf(books), keepersOf(books));
  for (const which of forgotten) await startNodeSoon(world, which);
}

async function putBack(world: World, from: string): Promise<void> {
  const schema = sql.id(from);
  const names = await tables(world);
  await inTransaction(world.books.db, async (tx) => {
    // As pg_restore writes: no trigger of ours has a say in what was.
    await sql`SET LOCAL session_replication_role = replica`.execute(tx);
    const all = sql.join(names.map((name) => sql`perennial.${sql.id(name)}`));
    await sql`TRUNCATE ${all}`.execute(tx);
    for (const name of names) {
      await sql`
        INSERT INTO perennial.${sql.id(name)} OVERRIDING SYSTEM VALUE
        SELECT * FROM ${schema}.${sql.id(name)}`.execute(tx);
    }
    await sql`
      SELECT setval(name::regclass, coalesce(last_value, 1), last_value IS NOT NULL)
      FROM ${schema}."sequence of books"`.execute(tx);
  });
}

/**
 * Nodes with users of ours on an inbound that came and went since the backup: the books don't know
 * that they ever had it, so nobody takes them off there. Only a start of the node does.
 */
async function forgottenInbounds({ books, nodes }: World, watch: Watch): Promise<WorldNode[]> {
  const { rows } = await sql<{ id: string; inbounds: string[]; former: string[] }>`
    SELECT id, inbounds, former_inbounds AS former FROM perennial.node`.execute(books.db);
  return nodes.filter((which) => {
    const row = rows.find(({ id }) => id === which.id);
    const dropped = which.tags.filter((tag) => row?.inbounds.includes(tag) === false);
    const isKnown = (tag: string) =>
      row?.former.includes(tag) || which.node.names(tag).length === 0;
    return dropped.some((tag) => !isKnown(tag) || watch.hasStrangersOn(which, tag));
  });
}
