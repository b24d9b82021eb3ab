import { expect, test } from 'vitest';
import { checkPatches, listMutantRows } from './mutants.ts';
import { anyRowPattern, parseIds, readMatrixRows, toTitlePattern } from './rows.ts';
import { selectRows } from './selection.ts';

const rows = readMatrixRows();

test('the matrix has every statement of the audit, each id once, and ids without gaps', () => {
  const audited = { R: 17, T: 6, F: 8, S: 6, X: 7, P: 10 };
  const numbers = Map.groupBy(
    rows.map(({ id }) => id),
    (id) => id.slice(0, 1),
  );
  for (const [letter, ids] of numbers) {
    expect(ids.sort()).toEqual(ids.map((_, at) => `${letter}${at + 1}`).sort());
  }
  for (const [letter, count] of Object.entries(audited)) {
    expect(numbers.get(letter)?.length, letter).toBeGreaterThanOrEqual(count);
  }
});

test('the rows of auto-renewal and expiry are claimed, and the tested rows of all workers', () => {
  const claimed = rows.filter((row) => row.isClaimed).map(({ id }) => id);
  const all = rows.map(({ id }) => id).filter((id) => /^[RF]/.test(id));
  expect(claimed.filter((id) => /^[RF]/.test(id))).toEqual(all);
  expect(claimed).toEqual(
    expect.arrayContaining(['P1', 'P2', 'P3', 'P5', 'P6', 'P7', 'P8', 'P9', 'P10']),
  );
});

test('each claimed row that requires a mutant has one, and each mutant has a row', () => {
  const wanted = rows.filter((row) => row.isClaimed && row.requiresMutant).map(({ id }) => id);
  expect(listMutantRows()).toEqual(expect.arrayContaining(wanted));
  expect(rows.map(({ id }) => id)).toEqual(expect.arrayContaining(listMutantRows()));
});

test('each mutant applies to the current program', async () => {
  expect(await checkPatches()).toEqual([]);
});

test('a title may begin with several ids, and no other text is an id', () => {
  expect(parseIds('R2 R15: a run that is killed')).toEqual(['R2', 'R15']);
  expect(parseIds('a run of R2: killed')).toEqual([]);
  const ofR1 = new RegExp(toTitlePattern('R1'));
  expect(['R1: a', 'R1 R2: a', 'R2 R1 R3: a', 'group R1: a'].every((each) => ofR1.test(each))).toBe(
    true,
  );
  expect(['R11: a', 'R1 a', 'XR1: a', 'R10 R12: a'].some((each) => ofR1.test(each))).toBe(false);
  expect(new RegExp(anyRowPattern).test('two tests never share a database')).toBe(false);
});

test('a run selects rows by id and mutants by name, and refuses a name of neither', () => {
  const select = (...names: string[]) => {
    const { rows: selected, mutants } = selectRows(names, rows);
    return [selected.map(({ id }) => id), [...mutants].sort()];
  };
  expect(select('X8-filling')).toEqual([['X8'], ['X8-filling']]);
  expect(select('X8', 'R11')).toEqual([
    ['R11', 'X8'],
    ['R11', 'X8', 'X8-filling', 'X8-leaving'],
  ]);
  expect(select()[0]).toHaveLength(rows.length);
  for (const name of ['X99', 'X8-nothing', 'x8', '']) {
    expect(() => select(name), name).toThrow(
      `ID: "${name}" is not a row or a mutant; available: R1,`,
    );
  }
});
