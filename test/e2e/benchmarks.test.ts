import { expect, test } from 'vitest';
import { runProgram } from './script-run.ts';

// Every benchmark at its smallest size. Each benchmark compares its variants and audits their rows,
// so a benchmark that differs from the program fails.

const { out } = await runProgram('bench/main.ts', ['--list']);
const names = out.trim().split('\n');

test('the list of benchmarks is complete', () => {
  expect(names).toContain('renewal');
  expect(names.length).toBeGreaterThan(10);
});

test.each(names)(
  'the benchmark %s runs at its smallest size',
  async (name) => {
    const { code, out: json, err } = await runProgram('bench/main.ts', [name, '--small', '--json']);
    expect(code, err).toBe(0);
    const rows = JSON.parse(json) as { variant: string; errors?: number }[];
    expect(rows.length, json).toBeGreaterThan(0);
    for (const { variant, errors = 0 } of rows) {
      expect(variant, json).toMatch(/\S/);
      expect(errors, err).toBe(0);
    }
  },
  300_000,
);
