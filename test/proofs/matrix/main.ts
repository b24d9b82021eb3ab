import { parseArgs } from 'node:util';
import { root } from '../../support/repository.ts';
import { type MutantState, testMutants } from './mutants.ts';
import { anyRowPattern, type MatrixRow, parseIds, readMatrixRows } from './rows.ts';
import { runTests, type TestResult } from './test-run.ts';

// `npm run matrix [-- --json] [--mutants] [-- R1 R2]`: docs/safety-matrix.md with the results of
// its tests. Exit code 1 if a test of a row fails, or a claimed row has none. With --mutants also
// if a mutant is alive, or a claimed row lacks a required mutant.

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean' }, mutants: { type: 'boolean' } },
  allowPositionals: true,
});

interface MatrixLine {
  readonly id: string;
  readonly state: 'shown' | 'failing' | 'open';
  readonly tests: number;
  readonly mutant: MutantState;
}

function computeState(tests: readonly TestResult[]): MatrixLine['state'] {
  if (tests.length === 0) return 'open';
  return tests.every(({ passed }) => passed) ? 'shown' : 'failing';
}

/** The fault of a row, or undefined. */
function findRowFault(
  { isClaimed, requiresMutant }: MatrixRow,
  line: MatrixLine,
): string | undefined {
  if (line.state === 'failing') return 'a test fails';
  if (isClaimed && line.state === 'open') return 'it is claimed and has no test';
  if (values.mutants !== true) return undefined;
  if (line.mutant === 'alive') return 'its tests let the audited bug live';
  if (isClaimed && requiresMutant && line.mutant === 'none')
    return 'it wants a mutant and has none';
  return undefined;
}

const rows = readMatrixRows().filter(
  ({ id }) => positionals.length === 0 || positionals.includes(id),
);
const pattern =
  positionals.length === 0
    ? anyRowPattern
    : anyRowPattern.replace('[A-Z]+[0-9]+(', `(?:${positionals.join('|')})(`);
const { tests, unloadable } = await runTests(root, pattern);

const lines: MatrixLine[] = [];
const problems: string[] = unloadable.map((file) => `can't be run: ${file}`);
for (const row of rows) {
  const its = tests.filter(({ title }) => parseIds(title).includes(row.id));
  const state = computeState(its);
  const tried = values.mutants === true && state === 'shown';
  const line = {
    id: row.id,
    state,
    tests: its.length,
    mutant: tried ? await testMutants(row.id) : 'none',
  } as const;
  lines.push(line);
  if (values.json !== true) printLine(line, row);
  const why = findRowFault(row, line);
  if (why !== undefined) problems.push(`${row.id}: ${why}`);
  for (const { title, file, message } of its.filter(({ passed }) => !passed)) {
    problems.push(`  ${file}: ${title}\n${message.replaceAll(/^/gm, '    ')}`);
  }
}

function printLine(
  { id, state, tests: count, mutant }: MatrixLine,
  { requirement }: MatrixRow,
): void {
  const cells = [id.padEnd(4), state.padEnd(8), String(count).padStart(4), mutant.padEnd(7)];
  process.stdout.write(`${cells.join('  ')}  ${requirement}\n`);
}

if (values.json === true) process.stdout.write(`${JSON.stringify(lines, null, 2)}\n`);
for (const line of problems) process.stderr.write(`${line}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
