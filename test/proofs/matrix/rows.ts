import { readFileSync } from 'node:fs';

/** A row of docs/safety-matrix.md. */
export interface MatrixRow {
  readonly id: string;
  /** Its tests must turn red when the audited bug is brought back. */
  readonly requiresMutant: boolean;
  readonly requirement: string;
  readonly shownBy: string;
  /** It must have tests that pass; one that isn't claimed may be open. */
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

/** The rows that a test is about, by its title: `R2 R15: …`. */
export function parseIds(title: string): string[] {
  return idsPattern.exec(title)?.[1]?.split(' ') ?? [];
}

/** For vitest's `-t`, which reads a test's title behind those of its groups: tests of this row. */
export function toTitlePattern(id: string): string {
  return `(?:^| )(?:[A-Z]+[0-9]+ )*${id}(?: [A-Z]+[0-9]+)*: `;
}

/** Any row. */
export const anyRowPattern = toTitlePattern('[A-Z]+[0-9]+');
