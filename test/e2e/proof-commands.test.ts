import { expect, test } from 'vitest';
import { runProgram } from './script-run.ts';

// Every proof command of package.json, at a small size.

/** Runs a proof that prints its report as JSON. */
async function runToReport(file: string, args: readonly string[]): Promise<unknown> {
  const { code, out, err } = await runProgram(file, [...args, '--json']);
  expect(code, `${out}\n${err}`).toBe(0);
  console.log(out.trim());
  return JSON.parse(out);
}

test('P8: replicas that are killed at random lose nothing, and each period is paid exactly once', async () => {
  const report = await runToReport('test/proofs/kills/main.ts', [
    '--kills',
    '3',
    '--renewals',
    '600',
  ]);
  expect(report).toMatchObject({ renewals: 600, wrong: [] });
}, 300_000);

test('P8, T2: random faults and kills of the courier lose no receipt and repeat no reminder', async () => {
  const report = await runToReport('test/proofs/delivery/main.ts', [
    '--notices',
    '300',
    '--kills',
    '3',
  ]);
  expect(report).toMatchObject({ wrong: [], receipts: { arrived: 150 } });
}, 300_000);

test.each([
  ['model', 'test/proofs/model/main.ts', ['--sequences', '20'], /20 sequences/],
  ['access', 'test/proofs/access/main.ts', ['--events', '30'], /30 events/],
  ['forecast', 'test/proofs/forecast/main.ts', ['--databases', '40'], /40 databases/],
  ['crashes', 'test/proofs/crashes/main.ts', ['--test', 'closes a crashed run'], /1 passed/],
])(
  'the command proof:%s runs at a small size',
  async (_, file, args, expected) => {
    const { code, out, err } = await runProgram(file, args);
    expect(code, `${out}\n${err}`).toBe(0);
    expect(out).toMatch(expected);
  },
  300_000,
);
