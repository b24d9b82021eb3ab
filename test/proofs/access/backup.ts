import { sql } from 'kysely';
import { runMarkingJobs } from '../../../src/access/marking-jobs.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { drawInteger } from '../../../src/demo/random.ts';
import { applyFile } from './catalog-file.ts';
import { readQuarantine } from './database-view.ts';
import {
  advanceClock,
  bootNodeSoon,
  type Environment,
  type SimulatedNode,
  startSimulationKeepers,
} from './environment.ts';
import type { AccessMonitor } from './monitor.ts';

// A backup as `pg_dump --schema=perennial` makes it, beside active keepers: all tables as of one
// time, and the values of the sequences. Also its restore by docs/backup-and-restore.md.

/** The number of last backups that may be restored. */
const backupMax = 2;

const toSchemaName = (number: number) => `backup_${number % backupMax}`;

async function readTableNames({ database }: Environment): Promise<string[]> {
  const rows = await database.query<{ name: string }>`
    SELECT tablename AS name FROM pg_tables WHERE schemaname = 'perennial' ORDER BY 1`;
  return rows.map(({ name }) => name);
}

export async function backUpDatabase(environment: Environment): Promise<void> {
  const schema = sql.id(toSchemaName(environment.backups));
  const names = await readTableNames(environment);
  await environment.database.db
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
        CREATE TABLE ${schema}."sequence of backup" AS
        SELECT format('%I.%I', schemaname, sequencename) AS name, last_value
        FROM pg_sequences WHERE schemaname = 'perennial'`.execute(tx);
    });
  environment.backups += 1;
}

/**
 * Stops all processes, restores the old rows, applies the file of the operator, and starts
 * processes.
 */
export async function restoreDatabase(
  environment: Environment,
  monitor: AccessMonitor,
): Promise<void> {
  if (environment.backups === 0) return;
  const { database, keepers, random } = environment;
  await Promise.all(keepers.map((each) => each.stop()));
  await copyFromSchema(
    environment,
    toSchemaName(drawInteger(random, Math.min(environment.backups, backupMax))),
  );
  await advanceClock(environment, 0);
  const rows = await database.query<{ telegramId: bigint }>`
    SELECT telegram_id AS "telegramId" FROM perennial.customer ORDER BY telegram_id`;
  environment.customers.splice(0, Infinity, ...rows.map(({ telegramId }) => telegramId));
  environment.lastCustomer = undefined;
  // Credentials that had crashed a node are in quarantine again.
  for (const item of await readQuarantine(database.db)) environment.planted.add(item);
  await applyFile(database.db, environment.file);
  await runMarkingJobs(database.db);
  for (const { boot } of environment.nodes) boot.isUncertain = true;
  // The nodes are unchanged so far, so users that the database does not know are found now.
  monitor.forgetUnknown();
  await monitor.check('the restore');
  const affectedNodes = await findForgottenInbounds(environment, monitor);
  keepers.splice(0, Infinity, startSimulationKeepers(database), startSimulationKeepers(database));
  for (const simulated of affectedNodes) await bootNodeSoon(environment, simulated);
}

async function copyFromSchema(environment: Environment, schemaName: string): Promise<void> {
  const schema = sql.id(schemaName);
  const names = await readTableNames(environment);
  await inTransaction(environment.database.db, async (tx) => {
    // Triggers are off, as pg_restore writes.
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
      FROM ${schema}."sequence of backup"`.execute(tx);
  });
}

/**
 * Nodes with our users on an inbound that came and went after the backup. The database never listed
 * this inbound, so no keeper removes them there. Only a start of the node does.
 */
async function findForgottenInbounds(
  { database, nodes }: Environment,
  monitor: AccessMonitor,
): Promise<SimulatedNode[]> {
  const rows = await database.query<{ id: string; inbounds: string[]; former: string[] }>`
    SELECT id, inbounds, former_inbounds AS former FROM perennial.node`;
  return nodes.filter((simulated) => {
    const row = rows.find(({ id }) => id === simulated.id);
    const dropped = simulated.tags.filter((tag) => row?.inbounds.includes(tag) === false);
    const isKnown = (tag: string) =>
      row?.former.includes(tag) || simulated.node.listUserNames(tag).length === 0;
    return dropped.some((tag) => !isKnown(tag) || monitor.hasUnknownOn(simulated, tag));
  });
}
