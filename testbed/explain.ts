import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import type { Db } from '../src/db/connect.ts';
import type { Database } from '../src/db/schema.ts';

// Statements of the program with the pages and indexes that they read. They are recorded when they
// are sent, and sent again under EXPLAIN (ANALYZE, BUFFERS).

export interface RecordedStatement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

export interface ExplainedStatement {
  readonly sql: string;
  /** Each access to a table: its index, or `Seq Scan plan_price` without one. */
  readonly reads: readonly string[];
  /** Pages of 8 kB that the execution requested, cached or not. */
  readonly buffers: number;
  readonly rows: number;
  readonly ms: number;
}

/** A database handle that records the statements that are sent. The caller keeps the pool. */
export function recordStatements(pool: pg.Pool): {
  readonly db: Db;
  readonly statements: RecordedStatement[];
} {
  const statements: RecordedStatement[] = [];
  const db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool }),
    log: ({ query }) =>
      void statements.push({ sql: query.sql.trim(), parameters: query.parameters }),
  });
  return { db, statements };
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly 'Actual Rows': number;
  readonly Plans?: readonly PlanNode[];
}

function listReads(node: PlanNode): string[] {
  const index = node['Index Name'];
  const seq = node['Node Type'] === 'Seq Scan' ? `Seq Scan ${node['Relation Name']}` : undefined;
  return [index, seq]
    .filter((read) => read !== undefined)
    .concat((node.Plans ?? []).flatMap(listReads));
}

/** Executes the statements again, in their order, in a transaction that is rolled back. */
export async function explain(
  pool: pg.Pool,
  statements: readonly RecordedStatement[],
): Promise<ExplainedStatement[]> {
  const client = await pool.connect();
  const explained: ExplainedStatement[] = [];
  try {
    await client.query('BEGIN');
    for (const { sql, parameters } of statements) {
      // These settings apply to the statements that follow.
      if (/^set local\b/i.test(sql)) await client.query(sql);
      if (!/^(select|insert|update|delete|with)\b/i.test(sql)) continue;
      const { rows } = await client.query(
        `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, FORMAT JSON) ${sql}`,
        [...parameters],
      );
      const [{ Plan: plan, 'Execution Time': ms }] = rows[0]['QUERY PLAN'];
      const buffers = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
      explained.push({ sql, reads: listReads(plan), buffers, rows: plan['Actual Rows'], ms });
    }
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
  return explained;
}
