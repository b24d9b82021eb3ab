import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A test as the run left it. */
export interface TestResult {
  readonly title: string;
  readonly file: string;
  readonly passed: boolean;
  /** Why it failed, with the seed of a property. */
  readonly message: string;
}

export interface VitestResults {
  readonly tests: readonly TestResult[];
  /** Files that could not even be loaded, with why. */
  readonly broken: readonly string[];
}

interface JsonReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** Files of tests that may have a title with such ids. */
function filesWith(root: string, pattern: string): string[] {
  const title = new RegExp(`['"\`](?:${pattern.replace('(?:^| )', '')})`);
  return ['src/**/*.test.ts', 'test/**/*.test.ts']
    .flatMap((glob) => globSync(glob, { cwd: root }))
    .filter((file) => title.test(readFileSync(join(root, file), 'utf8')));
}

/** Runs the tests of `root` whose titles fit; others are not even loaded. */
export async function runTests(
  root: string,
  pattern: string,
  options: { readonly bail: boolean; readonly env?: NodeJS.ProcessEnv },
): Promise<VitestResults> {
  const files = filesWith(root, pattern);
  if (files.length === 0) return { tests: [], broken: [] };
  const folder = mkdtempSync(join(tmpdir(), 'perennial-matrix-'));
  const outputFile = join(folder, 'results.json');
  try {
    const args = ['run', '-t', pattern, '--reporter=json', `--outputFile=${outputFile}`];
    await vitest(root, [...args, ...(options.bail ? ['--bail=1'] : []), ...files], options.env);
    return resultsOf(JSON.parse(readFileSync(outputFile, 'utf8')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function vitest(root: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const entry = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  return new Promise((resolve, reject) => {
    // What it prints is in the report; standard output is ours.
    const child = spawn(process.execPath, [entry, ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.on('error', reject);
    child.on('close', () => resolve());
  });
}

function resultsOf(report: JsonReport): VitestResults {
  const tests = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'passed' || status === 'failed')
      .map(({ title, status, failureMessages }) => ({
        title,
        file: name,
        passed: status === 'passed',
        message: (failureMessages ?? []).join('\n'),
      })),
  );
  const broken = report.testResults
    .filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0)
    .map(({ name, message }) => `${name}: ${message}`);
  return { tests, broken };
}
