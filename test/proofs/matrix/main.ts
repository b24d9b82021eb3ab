import { Command } from 'commander';
import { root } from '../../support/repository.ts';
import { type MutantState, testMutants } from './mutants.ts';
import { anyRowPattern, type MatrixRow, parseIds, readMatrixRows, toTitlePattern } from './rows.ts';
import { type MatrixSelection, selectRows } from './selection.ts';
import { runTests, type TestResult } from './test-run.ts';

// `npm run matrix`: docs/safety-matrix.md with the results of its tests.

interface Options {
  readonly json?: true;
  readonly mutants?: true;
}

const program = new Command('matrix')
  .description(
    'Run the tests of the safety matrix. Exit code 1 if a test fails, or if a claimed row has none.',
  )
  .argument('[ID...]', 'rows, or names of mutants [all]')
  .option('--json', 'print JSON [text]')
  .option('--mutants', 'also apply each mutant, and fail if its tests pass')
  .parse();
const names = program.args;
const { json: isJson = false, mutants: testsMutants = false } = program.opts<Options>();

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
  if (!testsMutants) return undefined;
  if (line.mutant === 'alive') return 'its tests pass with the mutant';
  if (isClaimed && requiresMutant && line.mutant === 'none') return 'its mutant is missing';
  return undefined;
}

function selectOrExit(): MatrixSelection {
  try {
    return selectRows(names, readMatrixRows());
  } catch (error) {
    return program.error((error as Error).message);
  }
}

const { rows, mutants } = selectOrExit();
const rowIds = rows.map(({ id }) => id);
const pattern = names.length === 0 ? anyRowPattern : toTitlePattern(`(?:${rowIds.join('|')})`);
const { tests, unloadable } = await runTests(root, pattern);

const lines: MatrixLine[] = [];
const problems: string[] = unloadable.map((file) => `cannot be loaded: ${file}`);
for (const row of rows) {
  const rowTests = tests.filter(({ title }) => parseIds(title).includes(row.id));
  const state = computeState(rowTests);
  const hasMutants = testsMutants && state === 'shown';
  const line = {
    id: row.id,
    state,
    tests: rowTests.length,
    mutant: hasMutants ? await testMutants(row.id, mutants) : 'none',
  } as const;
  lines.push(line);
  if (!isJson) printLine(line, row);
  const why = findRowFault(row, line);
  if (why !== undefined) problems.push(`${row.id}: ${why}`);
  for (const { title, file, message } of rowTests.filter(({ passed }) => !passed)) {
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

if (isJson) process.stdout.write(`${JSON.stringify(lines, null, 2)}\n`);
for (const line of problems) process.stderr.write(`${line}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
