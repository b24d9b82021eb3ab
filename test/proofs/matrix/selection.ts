import { listMutants, toRowId } from './mutants.ts';
import type { MatrixRow } from './rows.ts';

/** The rows of a run, and the mutants that it applies to them. */
export interface MatrixSelection {
  readonly rows: readonly MatrixRow[];
  readonly mutants: readonly string[];
}

/**
 * Selects rows by id, and mutants with their row by name. No name selects everything.
 * @throws Error that lists the available ones
 */
export function selectRows(
  names: readonly string[],
  rows: readonly MatrixRow[],
  mutants: readonly string[] = listMutants(),
): MatrixSelection {
  if (names.length === 0) return { rows, mutants };
  const ids = rows.map(({ id }) => id);
  const unknown = names.find((name) => !ids.includes(name) && !mutants.includes(name));
  if (unknown !== undefined) {
    const parts = mutants.filter((name) => !ids.includes(name));
    throw new Error(
      `ID: "${unknown}" is not a row or a mutant; available: ${[...ids, ...parts].join(', ')}`,
    );
  }
  const rowIds = names.map(toRowId);
  return {
    rows: rows.filter(({ id }) => rowIds.includes(id)),
    // The id of a row selects all of its mutants.
    mutants: mutants.filter((name) => names.includes(name) || names.includes(toRowId(name))),
  };
}
