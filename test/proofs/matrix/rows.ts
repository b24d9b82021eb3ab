import { readFileSync } from 'node:fs';

/** A row of docs/safety-matrix.md. */
export interface MatrixRow {
  readonly id: string;
  /** True if its tests must fail when the audited bug is restored. */
  readonly requiresMutant: boolean;
  readonly requirement: string;
  readonly shownBy: string;
  /** True if the row must have tests that pass. Other rows may be open. */
  readonly isClaimed: boolean;
}

const rowPattern = /^\| ([A-Z]+\d+)( \*\*M\*\*)? \| (.+) \| (.+) \| (\S+) \|$/;

export function readMatrixRows(
  file = new URL('../../../docs/safety-matrix.md', import.meta.url),
): MatrixRow[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, id, mark, requirement, shownBy, since] = rowPattern.exec(line) ?? [];
      if (id === undefined || requirement === undefined || shownBy === undefined) return [];
      const isClaimed = since !== '–';
      return [{ id, requiresMutant: mark !== undefined, requirement, shownBy, isClaimed }];
    });
}

const idsPattern = /^((?:[A-Z]+\d+ )*[A-Z]+\d+): /;

/** The rows of a test, by its title: `R2 R15: …`. */
export function parseIds(title: string): string[] {
  return idsPattern.exec(title)?.[1]?.split(' ') ?? [];
}

/** The pattern for vitest's `-t`, which compares titles of groups and test: tests of this row. */
export function toTitlePattern(id: string): string {
  return `(?:^| )(?:[A-Z]+[0-9]+ )*${id}(?: [A-Z]+[0-9]+)*: `;
}

/** The pattern for any row. */
export const anyRowPattern = toTitlePattern('[A-Z]+[0-9]+');
