import { type CompiledQuery, type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from './connect.ts';

// Statements of hot paths, whose text is built once. Building the text of a statement with many
// parts takes longer than its round trip.

/** Stands for a parameter until the statement is executed. */
class Placeholder {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * @param build the statement; `param` returns the placeholder of a parameter
 * @returns executes the statement with these parameters
 */
export function compileOnce<Params extends object, Row>(
  build: (param: (name: keyof Params & string) => RawBuilder<unknown>) => RawBuilder<Row>,
): (db: Db | Tx, params: Params) => Promise<Row[]> {
  let compiled: CompiledQuery<Row> | undefined;
  return async (db, params) => {
    compiled ??= build((name) => sql`${new Placeholder(name)}`).compile(db);
    const parameters = compiled.parameters.map((value) =>
      value instanceof Placeholder ? params[value.name as keyof Params] : value,
    );
    const { rows } = await db.executeQuery<Row>({ ...compiled, parameters });
    return rows;
  };
}
