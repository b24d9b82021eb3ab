import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { readClock } from '../../../../src/db/clock.ts';
import { longLimits, toClientConfig } from '../../../../src/db/connect.ts';
import { openSingleConnection } from '../../../../src/db/single-connection.ts';
import { listInto } from '../../../../src/workers/reconcile-xray-state/listing.ts';
import {
  createListedTable,
  readDriftCounts,
  writeDrift,
} from '../../../../src/workers/reconcile-xray-state/store.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import {
  buildAnswer,
  buildCredentials,
  computeDrift,
  driftedNode,
  type ListAnswer,
  serveDriftedNode,
} from '../../../../testbed/drifted-node.ts';
import { stockMissing } from '../../../../testbed/stock-server.ts';
import { createDatabase } from '../../../support/database.ts';
import {
  createStockDatabases,
  hasStock,
  type StockDatabase,
} from '../../../support/stock-database.ts';

// The comparison reads all rows, and must read them once. A plan that reads each credential by
// index reads fifty times as much. A plan without enough memory for its hashes writes them to disk
// and reads them again.

const users = 20_000;

/** Databases with the same rows, on two servers. */
const servers = {
  'the embedded server': async (build: Build) => {
    const database = await createDatabase();
    onTestFinished(() => database.close());
    const client = new pg.Client(toClientConfig(database.url, longLimits));
    await client.connect();
    await build(client);
    await client.end();
    return database;
  },
  'a stock server without statistics': async (build: Build) => {
    const [database] = (await createStockDatabases(1, build)) as [StockDatabase];
    onTestFinished(() => database.db.destroy());
    return database;
  },
};
type Build = (client: pg.Client) => Promise<void>;

test.for(Object.entries(servers))(
  'a comparison reads each table once and writes no temporary file, on %s',
  { timeout: 120_000 },
  async ([server, open], { skip }) => {
    if (server.includes('stock') && !hasStock) skip(stockMissing);
    let answer: ListAnswer = { bytes: Buffer.alloc(0), users: 0 };
    const node = await serveDriftedNode(() => answer);
    const api = connectNode({ api: node.api });
    onTestFinished(() => {
      api.close();
      node.stop();
    });
    const database = await open(async (client) => {
      await buildCredentials(client, users, node.api);
      answer = await buildAnswer(client);
    });
    const { rows } = await database.pool.query<{ pages: number }>(`
    SELECT sum(pg_relation_size(name::regclass) / 8192)::int AS pages
    FROM unnest('{perennial.credential,perennial.subscription}'::text[]) AS name`);

    await using connection = await openSingleConnection(database.url);
    const { db, client: own } = connection;
    const { inbound, installation } = driftedNode;
    const { signal } = new AbortController();
    await createListedTable(db);
    const startedAt = await readClock(db);
    await listInto(connection, api, { inbounds: [inbound], installation, signal });
    const sent: { text: string; values: unknown[] }[] = [];
    const query = own.query.bind(own) as (text: string, values: unknown[]) => unknown;
    own.query = ((text: string, values: unknown[]) => {
      sent.push({ text, values });
      return query(text, values);
    }) as never;
    await writeDrift(db, { node: driftedNode.id, startedAt, inbounds: [{ hasFlow: true }] });
    expect((await readDriftCounts(db)).kinds).toEqual(computeDrift(users));

    // The settings with which this statement was sent.
    const settings = sent.filter((one) => one.text.startsWith('SET '));
    for (const setting of settings) await own.query(setting.text);
    const { text, values } = sent.find((one) => one.text.includes('INSERT INTO drift')) ?? {
      ...{ text: '', values: [] },
    };
    const explained = await own.query(
      `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, FORMAT JSON) ${text}`,
      values,
    );
    const [{ Plan: plan }] = explained.rows[0]['QUERY PLAN'];
    const buffers = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    // Beside the tables: one read for each of the 240 that are unwanted or share a UUID.
    expect(buffers).toBeLessThan((rows[0]?.pages ?? 0) + 2_000);
    // A hash without enough memory would write 80 pages.
    expect(plan['Temp Written Blocks']).toBeLessThan(10);
  },
);
